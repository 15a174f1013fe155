/*
 * libc's own initialisers set `environ`, argc and argv for its later uses. We come before them, but are about to call
 * dlopen, which would run them as those of a dependency, with the arguments that they are there to set. So they run
 * now, with the true ones; ld.so's call later finds the same values and changes nothing.
 */
#ifndef MUDLARK_LIBC_EARLY_H
#define MUDLARK_LIBC_EARLY_H

/* Runs libc's initialisers, unless they have run. From the constructor, with its parameters. */
void libc_early_init(int argc, char **argv, char **environment);

#endif
