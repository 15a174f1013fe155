/*
 * Why a snapshot cannot be written to its place, as errno numbers and as our own numbers, which are larger. The roster
 * carries them to `mudlark run`, which prints the same reason as the library.
 */
#ifndef MUDLARK_OUTPUT_REASON_H
#define MUDLARK_OUTPUT_REASON_H

#include <string.h>

enum output_refusal {
	OUTPUT_IS_DIRECTORY = 5000,
	OUTPUT_IS_DEVICE,
	OUTPUT_IS_FIFO,
	OUTPUT_IS_SOCKET,
	OUTPUT_IS_DESCRIPTOR,
	OUTPUT_IS_STRANGE,
	OUTPUT_MAY_KILL,
};

/* What an error number, positive, is called. */
static inline const char *output_reason(int error)
{
	switch (error) {
	case OUTPUT_IS_DIRECTORY:
		return "it is a directory";
	case OUTPUT_IS_DEVICE:
		return "it is a device: snapshots are files";
	case OUTPUT_IS_FIFO:
		return "it is a pipe: snapshots are files";
	case OUTPUT_IS_SOCKET:
		return "it is a socket: snapshots are files";
	case OUTPUT_IS_DESCRIPTOR:
		return "it leads into /proc, to what a process has open: snapshots are files of their own";
	case OUTPUT_IS_STRANGE:
		return "it is another user's symbolic link in a directory that everybody writes to";
	case OUTPUT_MAY_KILL:
		return "it gave up new privileges (PR_SET_NO_NEW_PRIVS), and a seccomp filter that cannot be seen might "
		       "have killed it for the attempt; 'mudlark snap' and --every try nevertheless";
	default:
		break;
	}
	const char *reason = strerrordesc_np(error);
	return reason ? reason : "unknown error";
}

#endif
