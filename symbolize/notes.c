/*
 * Notes on modules. See notes.h.
 *
 * A note is one line for a person: what is missing, why, and what to do. Its names come from the recorded process, so
 * bytes that would break the line or the terminal are replaced.
 */
#include "symbolize/notes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NOTE_MAX_BYTES = 1024, NAME_MAX_BYTES = 200 };

struct note {
	char text[NOTE_MAX_BYTES];
	size_t bytes;
};

static void put(struct note *note, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct note *note, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int length = vsnprintf(note->text + note->bytes, sizeof note->text - note->bytes, format, arguments);
	va_end(arguments);
	if (length > 0)
		note->bytes += (size_t)length;
	if (note->bytes > sizeof note->text - 1)
		note->bytes = sizeof note->text - 1;
}

static void put_name(struct note *note, const char *name)
{
	size_t bytes = strlen(name);
	if (bytes > NAME_MAX_BYTES) {
		put(note, "...");
		name += bytes - NAME_MAX_BYTES;
	}
	for (; *name != '\0'; name++) {
		unsigned char byte = (unsigned char)*name;
		put(note, "%c", byte < ' ' || byte == 0x7f ? '?' : byte);
	}
}

/* The first bytes tell ids apart as well as all of them do. */
static void put_build_id(struct note *note, const uint8_t *build_id, size_t bytes)
{
	for (size_t i = 0; i < bytes && i < 6; i++)
		put(note, "%02x", build_id[i]);
	if (bytes == 0)
		put(note, "none");
}

static void put_module(struct note *note, const struct module_identity *identity)
{
	const char *path = identity->path == NULL ? "" : identity->path;
	const char *slash = strrchr(path, '/');
	const char *name = identity->name != NULL ? identity->name : slash == NULL ? path : slash + 1;
	put_name(note, name[0] != '\0' ? name : identity->vdso ? "[vdso]" : "(module without a name)");
	put(note, ": ");
}

static bool from_distribution(const char *path)
{
	static const char *const starts[] = {"/lib",   "/usr/lib",   "/bin/",        "/usr/bin/",
					     "/sbin/", "/usr/sbin/", "/usr/libexec/"};
	for (size_t i = 0; path != NULL && i < sizeof starts / sizeof starts[0]; i++) {
		if (strncmp(path, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

static void put_no_file(struct note *note, const struct note_facts *facts)
{
	const struct module_identity *identity = facts->identity;
	const struct locate_result *located = facts->located;
	if (identity->vdso) {
		put(note, "the vdso of another kernel: its names are only known on the machine that ran, until its "
			  "next update");
		return;
	}
	switch (located->failure) {
	case LOCATE_OTHER_BUILD_ID:
		put(note, "the file has another build-id (have ");
		put_build_id(note, located->have, located->have_bytes);
		put(note, ", need ");
		put_build_id(note, identity->build_id, identity->build_id_bytes);
		put(note, "): install the version that ran or give --extra-dir");
		break;
	case LOCATE_CHANGED:
		put(note, "the file has no build-id and changed since the run (size or time): "
			  "give the version that ran with --extra-dir, and link with -Wl,--build-id");
		break;
	case LOCATE_UNPROVEN:
		put(note, "no build-id, size or time was recorded, so this file may differ from the one that ran: link "
			  "with -Wl,--build-id");
		break;
	case LOCATE_DAMAGED:
		put(note, "the file is damaged or truncated: copy it again or give --extra-dir");
		break;
	case LOCATE_NOT_ELF:
		put(note, "the file is not an ELF file: give the one that ran with --extra-dir");
		break;
	case LOCATE_UNREADABLE:
		put(note, "the file cannot be read (%s): run as a user with read permission, or give --extra-dir",
		    strerror(located->error));
		break;
	case LOCATE_NO_MEMORY:
		put(note, "out of memory while the file was read");
		break;
	case LOCATE_NONE:
	case LOCATE_MISSING:
		put(note, identity->deleted ? "the file was deleted or replaced during the run: "
					    : "the file is not there: ");
		put(note, "install the version that ran, give --extra-dir or --sysroot%s",
		    identity->build_id_bytes != 0 && !facts->debuginfod_wanted ? ", or set DEBUGINFOD_URLS" : "");
		break;
	}
}

static void put_no_dwarf(struct note *note, const struct note_facts *facts)
{
	const struct module_identity *identity = facts->identity;
	put(note,
	    facts->has_symbols ? "no debug information, only symbol names: " : "no debug information and no symbols: ");
	if (facts->debuginfod_unavailable)
		put(note, "DEBUGINFOD_URLS is set but libdebuginfod.so.1 is missing: install libdebuginfod1");
	else if (from_distribution(identity->path))
		put(note, "install the package's -dbgsym or -dbg package%s",
		    facts->debuginfod_wanted ? " (the debuginfod servers do not have it)" : ", or set DEBUGINFOD_URLS");
	else if (facts->has_symbols)
		put(note, "built without -g: build with -g, or give its debug file with --debug-dir");
	else
		put(note, "built without -g or stripped: build with -g, or give its debug file with --debug-dir");
}

const char *note_for(struct string_pool *pool, const struct note_facts *facts)
{
	struct note note = {.bytes = 0};
	put_module(&note, facts->identity);
	size_t start = note.bytes;
	if (!facts->has_file) {
		put_no_file(&note, facts);
	} else if (facts->unknown_compression) {
		put(&note, "the debug information is not compressed with zlib: link with "
			   "-Wl,--compress-debug-sections=zlib");
	} else if (!facts->has_dwarf) {
		if (facts->unreadable_dwarf && !facts->truncated)
			put(&note, "the debug information is damaged: build or copy the file again");
		else if (facts->truncated)
			put(&note, "the file is truncated: copy it again or give --extra-dir");
		else if (!facts->identity->vdso)
			put_no_dwarf(&note, facts);
	} else if (facts->missing_alternate != NULL) {
		put(&note, "some names are in ");
		put_name(&note, facts->missing_alternate);
		put(&note, ", which is not there: install the debug package that has it or give --debug-dir");
	} else if (facts->missing_dwo != NULL) {
		put(&note, "inline frames are missing: built with -gsplit-dwarf, and ");
		put_name(&note, facts->missing_dwo);
		put(&note, " is not there: keep the .dwo files where they were built, or build without -gsplit-dwarf");
	} else if (facts->truncated || facts->damaged) {
		put(&note, "the debug information is damaged, so that some names may be missing: build or copy the "
			   "file again");
	}
	return note.bytes == start ? NULL : string_pool_add(pool, note.text, note.bytes);
}
