/*
 * The processes of a run, and whether each was examined: what its roster, its files and the kernel say together.
 *
 *   roster slots of one process --> its images, the earliest first --+
 *   files with the run's token --by pid and begin of the image-------+--> a reason why one was not examined, or none
 *   waitid() of those that `mudlark run` was the parent of ----------+
 *
 * An image is examined if the snapshot at its end is there; where a search for leaks is asked for, if it was searched
 * at its end or when it executed the next one. Where no search is asked for, any snapshot of it will do. What a
 * process lost is for its files to say (run_leaks.h): here only silence is found out.
 *
 * Of processes that never met the library nor were made by it, as those that a static program starts, two kinds are
 * known: who still runs at the end, and who outlived its parent and so became a child of `mudlark run`. Others are not;
 * their ancestor is named, and it is said that what it started is not known.
 */
#ifndef MUDLARK_RUN_PROCESSES_H
#define MUDLARK_RUN_PROCESSES_H

#include "report/base/buffer.h"
#include "report/run/descendants.h"
#include "report/run/launch.h"
#include "report/run/run_files.h"
#include "report/run/run_roster.h"
#include "report/text/json_write.h"

#include <stdbool.h>
#include <stddef.h>

struct run_process {
	unsigned long pid, parent; /* pid 0: not known */
	char *program;             /* owned; "": not known */
	char *reason;              /* why it was not examined, or only in part; owned; NULL: it was */
	uint32_t number;           /* in the order of the roster */
	uint64_t start_ns;         /* of its last image, as in the files */
	bool runs;                 /* it has not ended */
};

struct run_processes {
	struct run_process *processes; /* in the order in which they began */
	size_t count, capacity;
	size_t unexamined;
};

struct run_wanted {
	bool leaks; /* searched for at each end */
	bool only_command;
	unsigned long pid; /* of the command */
	const struct ended *ended;
	size_t ended_count;
	const struct living *living; /* when the roster was not read yet */
	size_t living_count;
};

/*
 * Fills processes; a roster that was destroyed is an unexamined process of which nothing is known. Finish with
 * run_processes_free().
 */
void run_processes_read(struct run_processes *processes, const struct run_roster *roster,
			const struct snapshot_briefs *files, const struct run_wanted *wanted);
void run_processes_free(struct run_processes *processes);

/* A notice for each that was not examined, up to `most`, and how many more. */
void run_processes_print(const struct run_processes *processes, size_t most);

/* "processes": [...], with the files of each. */
void run_processes_json(const struct run_processes *processes, const struct snapshot_briefs *files, struct json *json);

#endif
