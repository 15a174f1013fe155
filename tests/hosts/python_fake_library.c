/*
 * What looks like CPython from outside. FAKE_PYTHON says what is inside: VERSION[,debug][,threaded][,cookie][,garbage|
 * wild|cycle]. In the constructor of Mudlark this library's own have not run: all is done when it is asked.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RUNTIME_WORDS = 4096, STATE_WORDS = 64 };

uint64_t _PyRuntime[RUNTIME_WORDS];
uint64_t PyCode_Type[64], PyUnicode_Type[64], PyBytes_Type[64];
#ifdef FAKE_DEBUG
uint64_t _Py_RefTotal;
#endif
static uint64_t thread_state[STATE_WORDS];

static int has(const char *word)
{
	const char *what = getenv("FAKE_PYTHON");
	return what && strstr(what, word) != NULL;
}

/* 3.11 and before find the thread in here, at places that differ; later ones ask for it. */
static void fill(void)
{
	uint64_t self = (uint64_t)pthread_self(), at = (uint64_t)(uintptr_t)thread_state;
	uint64_t random = 88172645463325252u;
	for (int i = 0; i < STATE_WORDS; i++) {
		random ^= random << 13;
		random ^= random >> 7;
		random ^= random << 17;
		thread_state[i] = has("garbage") ? random
				  : has("wild")  ? 0x1000 + 8 * (uint64_t)i
				  : has("cycle") ? at
						 : 0;
	}
	/* thread_id, wherever a version has it */
	if (has("garbage") || has("wild") || has("cycle"))
		thread_state[136 / 8] = thread_state[152 / 8] = thread_state[176 / 8] = self;
	for (int i = 0; i < RUNTIME_WORDS; i++)
		_PyRuntime[i] = has("loose") ? 0x10 : at;
	if (has("cookie")) {
		memcpy(_PyRuntime, "xdebugpy", 8);
		_PyRuntime[1] = has("3.14") ? 0x030e00f0 : 0x030d00f0;
		_PyRuntime[2] = (uint64_t)has("threaded");
		for (int i = 3; i < 128; i++)
			_PyRuntime[i] = has("wild") ? 1 + (uint64_t)i : 0xffffffff;
	}
}

const char *Py_GetVersion(void)
{
	fill();
	const char *what = getenv("FAKE_PYTHON");
	return what ? what : "";
}

void *PyGILState_GetThisThreadState(void)
{
	return has("none") ? NULL : thread_state;
}

void *PyThreadState_GetUnchecked(void)
{
	return has("none") ? NULL : thread_state;
}

int Py_IsFinalizing(void)
{
	return 0;
}

int Py_IsInitialized(void)
{
	return 1;
}

void *_PyEval_EvalFrameDefault(void)
{
	return NULL;
}
