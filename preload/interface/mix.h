/* Numbers spread over 64 bits: for hashes, and for numbers that look random. Not for secrets. */
#ifndef MUDLARK_MIX_H
#define MUDLARK_MIX_H

#include <stdint.h>

/* 2^64 divided by the golden ratio: odd, and multiples of it lie far apart (Knuth, volume 3, section 6.4). */
#define MIX_MULTIPLIER UINT64_C(0x9e3779b97f4a7c15)

/* Two more odd numbers whose products spread well, for sums in which a multiplier of each part's own tells them apart. */
#define MIX_SECOND UINT64_C(0xbf58476d1ce4e5b9)
#define MIX_THIRD UINT64_C(0x94d049bb133111eb)

/* The finalizer of splitmix64 (Steele, Lea, Flood 2014): each bit of the value changes half of the result's. */
static inline uint64_t mix64(uint64_t value)
{
	value = (value ^ value >> 30) * MIX_SECOND;
	value = (value ^ value >> 27) * MIX_THIRD;
	return value ^ value >> 31;
}

#endif
