/*
 * dlopen, dlmopen and dlclose, as far as they concern us.
 *
 * dlopen and dlmopen are interposed only to clear RTLD_DEEPBIND: a library opened with it would free our blocks with
 * libc's free. They are stubs that jump on, so that glibc still sees the true caller (RUNPATH, $ORIGIN, namespace).
 * dlclose reports unloaded modules to the module table.
 */
#ifndef MUDLARK_LOADING_H
#define MUDLARK_LOADING_H

/* Resolves libc's functions. From the constructor. */
void loading_init(void);

#endif
