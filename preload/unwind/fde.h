/*
 * Finding the entry of .eh_frame that describes an address, and reading from it. cfi.c runs its instructions.
 *
 *   .eh_frame_hdr   a table of starts, sorted ---> FDE: start, length, instructions ---> CIE: what several FDEs share
 *
 * A module may have been written by anybody: nothing beyond its readable segments is read.
 */
#ifndef MUDLARK_FDE_H
#define MUDLARK_FDE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct dl_phdr_info;

/* What is left of a piece of memory; bad when somebody read beyond its end. */
struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static inline uint64_t read_fixed(struct reader *reader, size_t bytes)
{
	uint64_t value = 0;
	if (reader->bad || (size_t)(reader->end - reader->at) < bytes) {
		reader->bad = true;
		return 0;
	}
	memcpy(&value, reader->at, bytes); /* little-endian, as everything that we run on */
	reader->at += bytes;
	return value;
}

static inline uint64_t read_unsigned(struct reader *reader)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint64_t byte = read_fixed(reader, 1);
		value |= (byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return value;
	}
	reader->bad = true;
	return 0;
}

static inline int64_t read_signed(struct reader *reader)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 63;) {
		uint64_t byte = read_fixed(reader, 1);
		value |= (byte & 0x7f) << shift;
		shift += 7;
		if (!(byte & 0x80))
			return (int64_t)(byte & 0x40 ? value | UINT64_MAX << shift : value);
	}
	reader->bad = true;
	return 0;
}

struct cie {
	struct reader instructions;
	uint64_t code_alignment;
	int64_t data_alignment;
	uint8_t pointer_encoding;
	bool augmented; /* its FDEs have augmentation data too */
};

struct fde {
	struct cie cie;
	struct reader instructions;
	uintptr_t start, length; /* of the code that it describes */
};

/* Memory from p to the end of the readable segment that has it; empty when none has. */
struct reader fde_segment(const struct dl_phdr_info *info, uintptr_t p);

/* Reads the entry of the code that pc is in. False: there is none that is understood. */
bool fde_read(uintptr_t pc, const struct dl_phdr_info *info, struct fde *out);

#endif
