/* A reader of .eh_frame_hdr and of the entries of .eh_frame; fde.h. */
#include "preload/unwind/fde.h"

#include "preload/arch/registers.h"

#include <link.h>

/* Pointer encodings (LSB 5.0, section 10.5). */
enum {
	ENCODING_ABSOLUTE = 0x00,
	ENCODING_UDATA2 = 0x02,
	ENCODING_UDATA4 = 0x03,
	ENCODING_UDATA8 = 0x04,
	ENCODING_SDATA2 = 0x0a,
	ENCODING_SDATA4 = 0x0b,
	ENCODING_SDATA8 = 0x0c,
	ENCODING_FORMAT = 0x0f,
	ENCODING_PC_RELATIVE = 0x10,
	ENCODING_DATA_RELATIVE = 0x30,
	ENCODING_ALIGNED = 0x50,
	ENCODING_APPLICATION = 0x70,
	ENCODING_INDIRECT = 0x80,
	ENCODING_OMITTED = 0xff,
};

/* A pointer in one of the encodings that linkers and compilers use here; anything else is bad. */
static uintptr_t read_pointer(struct reader *reader, uint8_t encoding)
{
	uintptr_t here = (uintptr_t)reader->at;
	int64_t value = 0;
	switch (encoding & ENCODING_FORMAT) {
	case ENCODING_ABSOLUTE:
	case ENCODING_UDATA8:
	case ENCODING_SDATA8:
		value = (int64_t)read_fixed(reader, 8);
		break;
	case ENCODING_UDATA2:
		value = (int64_t)read_fixed(reader, 2);
		break;
	case ENCODING_UDATA4:
		value = (int64_t)read_fixed(reader, 4);
		break;
	case ENCODING_SDATA2:
		value = (int16_t)read_fixed(reader, 2);
		break;
	case ENCODING_SDATA4:
		value = (int32_t)read_fixed(reader, 4);
		break;
	default:
		reader->bad = true;
	}
	switch (encoding & (ENCODING_APPLICATION | ENCODING_INDIRECT)) {
	case ENCODING_ABSOLUTE:
		return (uintptr_t)value;
	case ENCODING_PC_RELATIVE:
		return here + (uintptr_t)value;
	default:
		reader->bad = true;
		return 0;
	}
}

/* 0: what nobody uses here. */
static size_t pointer_bytes(uint8_t encoding)
{
	switch (encoding & ENCODING_FORMAT) {
	case ENCODING_ABSOLUTE:
	case ENCODING_UDATA8:
	case ENCODING_SDATA8:
		return 8;
	case ENCODING_UDATA2:
	case ENCODING_SDATA2:
		return 2;
	case ENCODING_UDATA4:
	case ENCODING_SDATA4:
		return 4;
	default:
		return 0;
	}
}

struct reader fde_segment(const struct dl_phdr_info *info, uintptr_t p)
{
	for (unsigned i = 0; p && i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];
		uintptr_t start = info->dlpi_addr + header->p_vaddr;
		if (header->p_type == PT_LOAD && (header->p_flags & PF_R) && p >= start && p - start < header->p_filesz)
			return (struct reader){(const uint8_t *)p, (const uint8_t *)(start + header->p_filesz), false};
	}
	return (struct reader){.bad = true};
}

/* The sorted table's entries are two numbers, relative to the header: a start, and where its FDE is. */
enum { TABLE_ENTRY_BYTES = 8, TABLE_START = 0, TABLE_FDE = 4 };

static int32_t table_number(const uint8_t *table, size_t entry, size_t which)
{
	int32_t number;
	memcpy(&number, table + entry * TABLE_ENTRY_BYTES + which, sizeof number);
	return number;
}

/* The address of the FDE that may describe pc, by the sorted table of .eh_frame_hdr; 0: none. */
static uintptr_t find_fde(uintptr_t pc, const struct dl_phdr_info *info)
{
	uintptr_t header = 0;
	for (unsigned i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_GNU_EH_FRAME)
			header = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
	struct reader reader = fde_segment(info, header);
	uint64_t version = read_fixed(&reader, 1);
	uint8_t frame_encoding = (uint8_t)read_fixed(&reader, 1), count_encoding = (uint8_t)read_fixed(&reader, 1),
		table_encoding = (uint8_t)read_fixed(&reader, 1);
	if (reader.bad || version != 1 || count_encoding != ENCODING_UDATA4 ||
	    table_encoding != (ENCODING_DATA_RELATIVE | ENCODING_SDATA4))
		return 0;
	read_pointer(&reader, frame_encoding);
	size_t count = read_fixed(&reader, 4);
	const uint8_t *table = reader.at;
	if (reader.bad || !count || count > (size_t)(reader.end - reader.at) / TABLE_ENTRY_BYTES)
		return 0;
	int64_t wanted = (int64_t)(pc - header);
	if (wanted < table_number(table, 0, TABLE_START))
		return 0;
	size_t low = 0, high = count; /* start of entry `low` <= wanted < start of entry `high` */
	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;
		if (table_number(table, middle, TABLE_START) <= wanted)
			low = middle;
		else
			high = middle;
	}
	return header + (uintptr_t)(intptr_t)table_number(table, low, TABLE_FDE);
}

/*
 * Length field of a CIE or FDE: narrows the reader to what follows. False at a terminator or what is too long, as the
 * mark of a 64-bit length is: nobody agrees on what follows that one.
 */
static bool enter_entry(struct reader *reader)
{
	uint64_t length = read_fixed(reader, 4);
	if (reader->bad || length == 0 || length > (size_t)(reader->end - reader->at))
		return false;
	reader->end = reader->at + length;
	return true;
}

/* The augmentation's letters, of which those of signal frames and what nobody knows are refused. */
static bool read_augmentation(struct reader *reader, const char *letters, struct cie *cie)
{
	for (; *letters; letters++) {
		switch (*letters) {
		case 'z':
			read_unsigned(reader);
			cie->augmented = true;
			break;
		case 'R':
			cie->pointer_encoding = (uint8_t)read_fixed(reader, 1);
			break;
		case 'L':
			read_fixed(reader, 1);
			break;
		case 'P': {
			uint8_t encoding = (uint8_t)read_fixed(reader, 1);
			size_t bytes = pointer_bytes(encoding);
			if (encoding == ENCODING_OMITTED)
				break;
			if (!bytes || (encoding & ENCODING_APPLICATION) == ENCODING_ALIGNED)
				return false;
			read_fixed(reader, bytes);
			break;
		}
		default:
			return false;
		}
	}
	return !reader->bad;
}

static bool read_cie(struct reader reader, struct cie *cie)
{
	*cie = (struct cie){.pointer_encoding = ENCODING_ABSOLUTE};
	if (!enter_entry(&reader) || read_fixed(&reader, 4) != 0)
		return false;
	uint64_t version = read_fixed(&reader, 1);
	const char *letters = (const char *)reader.at;
	const uint8_t *nul = memchr(reader.at, 0, (size_t)(reader.end - reader.at));
	if ((version != 1 && version != 3) || !nul || (*letters && *letters != 'z'))
		return false;
	reader.at = nul + 1;
	cie->code_alignment = read_unsigned(&reader);
	cie->data_alignment = read_signed(&reader);
	uint64_t return_address = version == 1 ? read_fixed(&reader, 1) : read_unsigned(&reader);
	if (reader.bad || return_address != DWARF_RETURN_ADDRESS)
		return false;
	if (!read_augmentation(&reader, letters, cie))
		return false;
	cie->instructions = reader;
	return true;
}

bool fde_read(uintptr_t pc, const struct dl_phdr_info *info, struct fde *out)
{
	struct reader fde = fde_segment(info, find_fde(pc, info));
	if (!enter_entry(&fde))
		return false;
	uintptr_t cie_field = (uintptr_t)fde.at;
	uint64_t cie_distance = read_fixed(&fde, 4);
	if (!cie_distance || !read_cie(fde_segment(info, cie_field - cie_distance), &out->cie))
		return false;
	out->start = read_pointer(&fde, out->cie.pointer_encoding);
	out->length = read_pointer(&fde, out->cie.pointer_encoding & ENCODING_FORMAT);
	if (out->cie.augmented) {
		uint64_t skip = read_unsigned(&fde);
		fde.bad |= skip > (size_t)(fde.end - fde.at);
		fde.at += fde.bad ? 0 : skip;
	}
	out->instructions = fde;
	return !fde.bad && pc >= out->start && pc - out->start < out->length;
}
