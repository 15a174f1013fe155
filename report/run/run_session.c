/* See run_session.h. */
#include "report/run/run_session.h"

#include "report/run/launch.h"
#include "report/run/run_roster.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

static void read_session(struct run_session *session, const struct run_roster *roster, const char *pattern,
			 const struct launch *launch, const struct run_choices *choices)
{
	size_t living_count = 0;
	struct living *living = launch->left_running ? descendants_living(&living_count) : NULL;
	const struct run_wanted wanted = {
		.leaks = choices->leaks,
		.only_command = choices->only_command,
		.pid = (unsigned long)session->pid,
		.ended = launch->ended,
		.ended_count = launch->ended_count,
		.living = living,
		.living_count = living_count,
	};
	run_files_find(&session->files, pattern, roster->token);
	run_processes_read(&session->processes, roster, &session->files, &wanted);
	free(living);
}

int run_session(struct run_session *session, const char *library, const struct host_options *host, char **argv,
		const struct run_choices *choices, struct error *error)
{
	struct run_roster roster;
	struct buffer text = {0};
	*session = (struct run_session){0};
	if (run_roster_create(&roster, error) != EXIT_FINE)
		return error->code;
	host_options_format(host, &text);
	struct launch launch = {
		.library = library,
		.options = buffer_string(&text),
		.argv = argv,
		.only_command = choices->only_command,
		.run = roster.variable,
		.linger = choices->linger,
	};
	session->status = launch_and_wait(&launch, &session->pid, error);
	for (size_t i = 0; i < launch.ended_count; i++)
		if (launch.ended[i].pid == session->pid)
			session->signal = WIFSIGNALED(launch.ended[i].status);
	if (!error->code)
		read_session(session, &roster, host_options_get(host, "output"), &launch, choices);
	run_roster_remove(&roster);
	free(launch.ended);
	buffer_free(&text);
	return error->code;
}

void run_session_free(struct run_session *session)
{
	run_processes_free(&session->processes);
	snapshot_briefs_free(&session->files);
}

void run_session_report(const char *judged)
{
	run_roster_report(!judged                       ? ROSTER_NOT_SEARCHED
			  : !strcmp(judged, RUN_PASSED) ? ROSTER_NONE_LOST
			  : !strcmp(judged, RUN_LEAKS)  ? ROSTER_LOST
							: ROSTER_UNCERTAIN);
}

int run_linger_option(const char *argument, double *seconds, struct error *error)
{
	char *end = NULL;
	*seconds = argument[strspn(argument, "0123456789.")] || !argument[0] ? -1 : strtod(argument, &end);
	if (*seconds >= 0 && *seconds <= LINGER_MOST && end && !*end)
		return EXIT_FINE;
	return error_set(error, EXIT_USAGE, NULL, "--wait-for-daemons requires 0 to %d seconds, got '%s'", LINGER_MOST,
			 argument);
}
