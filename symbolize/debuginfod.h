/*
 * Files by build-id from debuginfod servers, only when the user names servers in DEBUGINFOD_URLS.
 *
 * Without that variable nothing is loaded and nothing is contacted. Everything else (cache, timeouts, size limits)
 * is the client library's own, see debuginfod-client-config(7).
 */
#ifndef MUDLARK_SYMBOLIZE_DEBUGINFOD_H
#define MUDLARK_SYMBOLIZE_DEBUGINFOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debuginfod {
	void *library, *client; /* NULL until the first request */
	bool tried;
	bool unavailable; /* wanted, but the client library is not installed */
};

enum debuginfod_kind { DEBUGINFOD_DEBUGINFO, DEBUGINFOD_EXECUTABLE };

bool debuginfod_wanted(void);

/* Returns a file descriptor that the caller owns, or -1. The file is not checked. */
int debuginfod_get(struct debuginfod *service, enum debuginfod_kind kind, const uint8_t *build_id, size_t bytes);
void debuginfod_close(struct debuginfod *service);

#endif
