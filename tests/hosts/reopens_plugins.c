/*
 * Opens and closes plugins again and again, as a server does that loads them by need: reopens_plugins HOW N.
 *
 *   same      one plugin N times
 *   moved     the same, and each time something else lies where it was
 *   unnamed   the same, without a build-id, so that only its file says that it is the same
 *   relative  the same, by a relative name
 *   rebuilt   two builds in turn, without build-ids, that take each other's place under one name
 *   many      three plugins in turn, moved
 *
 * At the end 20 blocks of each build live, allocated at different loads: of 3001 bytes those of build a, of 5003 those
 * of b, of 7001 those of c. A plugin that comes back is the same module, with the same frames: what is
 * recorded of it does not grow with N. Expected: "reopened".
 */
#include "expect.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEPT = 20, BUILDS = 3, PLACES = 8, PLACE_BYTES = 4096 };
static const size_t bytes[BUILDS] = {3001, 5003, 7001};
static void *kept[BUILDS][KEPT];

/* Takes the address, so that the next library goes elsewhere; the one taken longest ago is given back. */
static void take_place(void *address, long n)
{
	static void *taken[PLACES];
	void *start = (void *)((uintptr_t)address & ~(uintptr_t)(PLACE_BYTES - 1));
	if (taken[n % PLACES])
		munmap(taken[n % PLACES], PLACE_BYTES);
	taken[n % PLACES] =
		mmap(start, PLACE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	NEED(taken[n % PLACES] != MAP_FAILED);
}

static void copy(const char *from, const char *to)
{
	static char part[4096];
	int in = open(from, O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	NEED(in >= 0 && out >= 0);
	for (ssize_t got; (got = read(in, part, sizeof(part))) > 0;)
		NEED(write(out, part, (size_t)got) == got);
	close(in);
	close(out);
}

/* Opens it once, keeps a block of its in the place of an older one, and closes it. Returns where its code was. */
static void *use(const char *path, int build, long n)
{
	void *plugin = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	NEED(plugin != NULL);
	void *(*allocate)(size_t) = (void *(*)(size_t))dlsym(plugin, "plugin_allocate");
	void **place = &kept[build][n / BUILDS % KEPT];
	free(*place);
	*place = allocate(bytes[build]);
	dlclose(plugin);
	return (void *)allocate;
}

int main(int argc, char **argv)
{
	NEED(argc == 3);
	const char *how = argv[1], *hosts = getenv("HOSTS");
	bool moved = !strcmp(how, "moved") || !strcmp(how, "many"), rebuilt = !strcmp(how, "rebuilt");
	char path[BUILDS][4096], current[] = "./current.so";
	int builds = rebuilt ? 2 : !strcmp(how, "many") ? 3 : 1, places = 0;
	for (int i = 0; i < BUILDS; i++)
		snprintf(path[i], sizeof(path[i]), "%s/libplugin_%c.so", hosts, 'a' + i);
	if (!strcmp(how, "unnamed") || rebuilt)
		for (int i = 0; i < 2; i++)
			snprintf(path[i], sizeof(path[i]), "%s/libplugin_unnamed_%c.so", hosts, 'a' + i);
	if (!strcmp(how, "relative") || rebuilt) {
		for (int i = 0; i < builds; i++) {
			snprintf(current, sizeof(current), "./build.%c", 'a' + i);
			copy(path[i], current);
			snprintf(path[i], sizeof(path[i]), "%s", current);
		}
		snprintf(current, sizeof(current), "./current.so");
	}
	void *last = NULL;
	for (long n = 0; n < atol(argv[2]) * BUILDS; n++) {
		int build = (int)(n % builds);
		const char *file = path[build];
		if (rebuilt) {
			/* A link to the build takes the name's place. */
			NEED(link(file, "./new") == 0 && rename("./new", current) == 0);
			file = current;
		}
		void *code = use(file, build, n);
		places += code != last;
		last = code;
		if (moved)
			take_place(code, n);
	}
	EXPECT(!moved || places > builds);
	for (int i = 0; i < builds && (rebuilt || !strcmp(how, "relative")); i++)
		unlink(path[i]);
	unlink(current);
	puts("reopened");
	return EXPECT_STATUS;
}
