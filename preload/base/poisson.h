/*
 * A Poisson process along the bytes that a thread allocates, in integers: malloc must neither call libm nor touch the
 * host's floating-point flags.
 *
 * Each byte is chosen with the same probability, `mean` bytes lie between two chosen ones on average, and a block is
 * sampled if one of its bytes is chosen. So a block of n bytes is sampled with probability 1 - e^(-n/mean), whatever
 * was allocated before it, and independently of all others.
 */
#ifndef MUDLARK_POISSON_H
#define MUDLARK_POISSON_H

#include <stdint.h>

/* Means up to this keep all products below within 128 bits: 1 TiB. */
#define POISSON_MEAN_MAX (UINT64_C(1) << 40)

/* The next 64 random bits; any state will do. splitmix64 (Steele, Lea, Flood 2014): one add and a mixing of 64 bits. */
uint64_t poisson_bits(uint64_t *state);

/*
 * From one chosen byte to the next, at least 1: the exponential distribution's quantile of `bits`, rounded up, which is
 * the geometric distribution. Off by less than mean / 2^30.
 */
uint64_t poisson_gap(uint64_t bits, uint64_t mean);

enum { POISSON_UNIT_BITS = 16 };

/* 1 / (1 - e^(-bytes/mean)): how many blocks of this size a sampled one stands for, in units of 2^-16. */
uint64_t poisson_weight(uint64_t bytes, uint64_t mean);

#endif
