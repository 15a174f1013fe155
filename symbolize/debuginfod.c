/*
 * debuginfod's client library, loaded when first needed. See debuginfod.h.
 *
 * It is loaded by hand and not linked, because it brings in libcurl and its thirty libraries. They would cost each
 * start of a command 20 ms, for something that most users never request.
 */
#include "symbolize/debuginfod.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef debuginfod_client *begin_function(void);
typedef void end_function(debuginfod_client *);
typedef int find_function(debuginfod_client *, const unsigned char *, int, char **);

bool debuginfod_wanted(void)
{
	const char *urls = getenv(DEBUGINFOD_URLS_ENV_VAR);
	return urls != NULL && urls[strspn(urls, " \t")] != '\0';
}

static void load(struct debuginfod *service)
{
	service->tried = true;
	service->library = dlopen("libdebuginfod.so.1", RTLD_NOW | RTLD_LOCAL);
	if (service->library != NULL) {
		begin_function *begin = (begin_function *)dlsym(service->library, "debuginfod_begin");
		if (begin != NULL)
			service->client = begin();
	}
	service->unavailable = service->client == NULL;
}

int debuginfod_get(struct debuginfod *service, enum debuginfod_kind kind, const uint8_t *build_id, size_t bytes)
{
	if (!debuginfod_wanted() || bytes == 0 || bytes > INT_MAX)
		return -1;
	if (!service->tried)
		load(service);
	if (service->client == NULL)
		return -1;
	const char *name = kind == DEBUGINFOD_DEBUGINFO ? "debuginfod_find_debuginfo" : "debuginfod_find_executable";
	find_function *find = (find_function *)dlsym(service->library, name);
	return find == NULL ? -1 : find(service->client, build_id, (int)bytes, NULL);
}

void debuginfod_close(struct debuginfod *service)
{
	if (service->client != NULL) {
		end_function *end = (end_function *)dlsym(service->library, "debuginfod_end");
		if (end != NULL)
			end(service->client);
	}
	/* The library stays loaded: libcurl does not survive dlclose(). */
	memset(service, 0, sizeof *service);
}
