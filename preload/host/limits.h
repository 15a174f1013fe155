/* The functions with which a program changes its own resource limits, which base/space.h must know. */
#ifndef MUDLARK_LIMITS_H
#define MUDLARK_LIMITS_H

/* Resolves libc's functions. From the constructor. */
void limits_init(void);

#endif
