/* Names of threads as they are set; thread_names.h says why. */
#include "preload/process/thread_names.h"

#include "preload/base/lock.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>

/* Empty: nobody has named the thread. At the same offset from each thread's pointer, so that others can set it. */
static _Thread_local char own_name[THREAD_NAME_BYTES];

static struct {
	int (*setname)(pthread_t, const char *); /* libc's, as is: */
	int (*prctl)(int, ...);
	char inherited[THREAD_NAME_BYTES]; /* by all threads, until one is named */
	_Atomic bool any_named;
} names;

void thread_names_init(void)
{
	names.setname = (int (*)(pthread_t, const char *))dlsym(RTLD_NEXT, "pthread_setname_np");
	names.prctl = (int (*)(int, ...))dlsym(RTLD_NEXT, "prctl");
	names.prctl(PR_GET_NAME, names.inherited);
}

void thread_name_at_end(char name[THREAD_NAME_BYTES])
{
	if (own_name[0])
		memcpy(name, own_name, sizeof own_name);
	else if (!name[0] && !atomic_load_explicit(&names.any_named, memory_order_relaxed))
		memcpy(name, names.inherited, sizeof names.inherited);
}

__attribute__((visibility("default"))) int pthread_setname_np(pthread_t thread, const char *name)
{
	/* A library's constructor may name a thread before ours has run. */
	if (!names.setname)
		thread_names_init();
	size_t length = strnlen(name, THREAD_NAME_BYTES);
	if (length < THREAD_NAME_BYTES) {
		/* glibc's pthread_t is the thread's pointer. Before libc's call: after it the thread may have ended. */
		char *theirs = own_name + ((uintptr_t)thread - lock_self());
		memcpy(theirs, name, length);
		memset(theirs + length, 0, THREAD_NAME_BYTES - length);
		atomic_store_explicit(&names.any_named, true, memory_order_relaxed);
	}
	return names.setname(thread, name);
}

/* prctl(PR_SET_NAME, name), where its stub goes on. The address is the kernel's to judge. */
int thread_names_prctl(int option, unsigned long name, unsigned long a, unsigned long b, unsigned long c);
int thread_names_prctl(int option, unsigned long name, unsigned long a, unsigned long b, unsigned long c)
{
	if (!names.prctl)
		thread_names_init();
	int result = names.prctl(option, name, a, b, c);
	if (result == 0 && names.prctl(PR_GET_NAME, own_name) == 0)
		atomic_store_explicit(&names.any_named, true, memory_order_relaxed);
	return result;
}
