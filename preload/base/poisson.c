/* Logarithm and exponential in fixed point; poisson.h explains their use. */
#include "preload/base/poisson.h"

#include "preload/interface/mix.h"

enum {
	LOG_BITS = 32,    /* of a logarithm's fraction */
	CHANCE_BITS = 62, /* of a probability's fraction */
	SERIES_TERMS = 9, /* (1/16)^10 / 10! is below 2^-62 */
	SERIES_BITS = 4,  /* the series is for x < 1/16 */
	CERTAIN_BITS = 6, /* e^-64 is 0 here */
};

/* ln 2 in units of 2^-64. */
#define LN2 UINT64_C(0xb17217f7d1cf79ac)

uint64_t poisson_bits(uint64_t *state)
{
	return mix64(*state += MIX_MULTIPLIER);
}

/*
 * log2 of mantissa / 2^63, which is in [1, 2), in units of 2^-32: squaring a number doubles its logarithm, so each
 * square that reaches 2 gives one bit. 32 multiplications once a sample are cheaper than a table that is never in
 * the cache.
 */
static uint64_t log2_fraction(uint64_t mantissa)
{
	uint64_t fraction = 0;
	for (int i = 0; i < LOG_BITS; i++) {
		unsigned __int128 square = (unsigned __int128)mantissa * mantissa;
		uint64_t two = (uint64_t)(square >> 127);
		fraction = fraction << 1 | two;
		mantissa = (uint64_t)(square >> (63 + two));
	}
	return fraction;
}

uint64_t poisson_gap(uint64_t bits, uint64_t mean)
{
	uint64_t uniform = bits | 1; /* in units of 2^-64, never 0 */
	unsigned zeros = (unsigned)__builtin_clzll(uniform);
	uint64_t minus_log2 = ((uint64_t)(zeros + 1) << LOG_BITS) - log2_fraction(uniform << zeros);
	uint64_t minus_ln = (uint64_t)((unsigned __int128)minus_log2 * LN2 >> 64);
	return (uint64_t)((unsigned __int128)minus_ln * mean >> LOG_BITS) + 1;
}

/* 1 - e^-x in units of 2^-62, for x in the same units, x < 1/16: x - x^2/2! + x^3/3! - ... */
static uint64_t chance_small(uint64_t x)
{
	uint64_t term = x, sum = x;
	for (unsigned n = 2; n <= SERIES_TERMS; n++) {
		term = (uint64_t)((unsigned __int128)term * x >> CHANCE_BITS) / n;
		sum = n & 1 ? sum + term : sum - term;
	}
	return sum;
}

uint64_t poisson_weight(uint64_t bytes, uint64_t mean)
{
	const uint64_t one = UINT64_C(1) << CHANCE_BITS;
	if (bytes >> CERTAIN_BITS >= mean)
		return UINT64_C(1) << POISSON_UNIT_BITS;
	unsigned __int128 x = ((unsigned __int128)bytes << CHANCE_BITS) / mean;
	unsigned halvings = 0;
	while (x >> (CHANCE_BITS - SERIES_BITS) != 0) {
		x >>= 1;
		halvings++;
	}
	uint64_t chance = chance_small((uint64_t)x);
	/* 1 - e^-2x = q (2 - q) for q = 1 - e^-x. */
	while (halvings-- > 0)
		chance = (uint64_t)((unsigned __int128)chance * (2 * one - chance) >> CHANCE_BITS);
	return (uint64_t)(((unsigned __int128)one << POISSON_UNIT_BITS) / chance);
}
