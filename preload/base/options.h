/*
 * MUDLARK_OPTIONS: key=value, separated by ':' or white space, as in the sanitizers. A value, or a part of it,
 * may be enclosed in single or double quotes; within double quotes a backslash takes the next character as it is.
 *
 *   record=0|1        record allocations from the start (1)
 *   output=PATTERN    snapshot files; %e program, %p pid, %n number, %h host, %t time in seconds, %% a percent sign
 *   sample=BYTES      record one block about every BYTES bytes, up to 1T, with K, M, G or T; 0: every block (0)
 *   depth=N           frames to keep of a stack, 1 .. 1024 (256)
 *   every=SECONDS     a snapshot at this interval, at least 0.001; 0: none (0)
 *   marks=N           a snapshot at each of N iterations that the program marks with mudlark_mark() (0)
 *   warmup=K          ... after the first K of them (0)
 *   signal=S          signal that requests a snapshot: a number, a name such as USR2 or RTMAX-5, or none (RTMAX-5)
 *   at_exit=0|1|2     a snapshot when the program ends; for a Python program when the interpreter starts shutting down,
 *                     while everything that the program holds still exists; 2: and after it has torn that down (1)
 *   peak=0|1|2        0: no peak columns; 1: the composition of the high-water mark (default); 2: and a snapshot there
 *   snapshot=M        who writes snapshots: the thread (inline), a copy of the process (fork), or whichever pauses the
 *                     program for a shorter time (auto); the one at the end always inline (auto)
 *   children=0|1      fork children and the programs they execute are recorded too (1)
 *   fatal=0|1         a snapshot before a signal's default action ends the program (1; 0 with at_exit=0)
 *   leaks=0|1|2       search for leaks when the program ends; 2: and find out why blocks are reachable (0)
 *   exitcode=N        exit status of a program that leaks, instead of 0; 0: always its own (23)
 *   judge=0|1         0: the exit status is kept: `mudlark run`, which sets this, judges the snapshots (1)
 *   suppressions=FILE known leaks; several files separated by commas. Only readers of snapshots read them: the exit
 *                     status is kept
 *   on_error=P        double and invalid frees: abort, report or ignore (abort)
 *   verbose=0|1       one line on stderr for each snapshot and each problem (0)
 *   census=0|1        count CPython's objects by type and by where they were allocated, in each snapshot (0)
 *   refs=TYPE         ... and find out who holds the objects of a type; ?: of the types that grew most since the last
 *                     census; in the first census, of the types with the most objects
 *   check_capture=0|1 walk each stack with libunwind as well and count differences (0)
 *   guard=0|1         find writes outside of blocks and into freed ones (0)
 *   python=P          CPython's objects: blocks of Mudlark's pools, each recorded (objects); pymalloc's (arenas); or
 *                     pymalloc's, and no Python frames in stacks (off) (objects)
 *   root=PID          set by `mudlark run --children=0`: only this process is recorded
 *   command=PID       set by `mudlark run`: its command, whose last snapshot has the name of an output without %n
 */
#ifndef MUDLARK_OPTIONS_H
#define MUDLARK_OPTIONS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { AT_EXIT_TWICE = 2, LEAKS_RETAINED = 2, PEAK_SNAPSHOT = 2, DEPTH_MAX = 1024 };
/* The reaction to a host that misuses its heap (heap/damage.h). */
enum damage_policy { DAMAGE_ABORT, DAMAGE_REPORT, DAMAGE_IGNORE };
enum python_mode { PYTHON_MODE_OBJECTS, PYTHON_MODE_ARENAS, PYTHON_MODE_OFF };
enum snapshot_mode { SNAPSHOT_AUTO, SNAPSHOT_INLINE, SNAPSHOT_FORK };

enum { TYPE_NAME_MAX = 256 };

struct options {
	bool record;
	bool children;
	bool verbose;
	bool check_capture;
	bool census;
	bool judge;
	bool guard;
	bool suppressions; /* there are some */
	uint32_t leaks;    /* LEAKS_RETAINED: with paths and retained sizes */
	int exitcode;
	uint32_t fatal;   /* 0 or 1 */
	uint32_t at_exit; /* AT_EXIT_TWICE: also what is left of a Python program */
	uint32_t peak;
	uint32_t depth;
	uint64_t every_ns;
	uint64_t marks, warmup;
	uint64_t sample_bytes; /* 0: every block */
	int signal;            /* 0: none */
	pid_t root;            /* 0: any */
	pid_t command;         /* 0: not known */
	enum damage_policy on_error;
	enum snapshot_mode snapshot;
	enum python_mode python;
	char refs[TYPE_NAME_MAX]; /* "": no referrer paths */
	char output[PATH_MAX];
};

/* Sets the defaults, then what text (may be NULL) says. complain is called with a line for each thing not understood.
 */
void options_parse(struct options *options, const char *text, void (*complain)(const char *line));

#endif
