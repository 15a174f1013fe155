/* Notes what its constructor was given, for sees_its_start. */
#include <stddef.h>

int start_argc = -1;
char **start_argv;
char **start_environment;

__attribute__((constructor)) static void start(int argc, char **argv, char **environment)
{
	start_argc = argc;
	start_argv = argv;
	start_environment = environment;
}
