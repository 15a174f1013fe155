/* A reader of .eh_frame_hdr and .eh_frame for the one row that holds at an address; cfi.h says what is kept of it. */
#include "preload/unwind/cfi.h"

#include "preload/arch/context.h"
#include "preload/arch/registers.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

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

/* Call frame instructions (DWARF 5, section 7.24); the first three keep an operand in their low six bits. */
enum {
	CFA_ADVANCE_LOC = 0x40,
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_PRIMARY = 0xc0,
	CFA_NOP = 0x00,
	CFA_ADVANCE_LOC1 = 0x02,
	CFA_ADVANCE_LOC2 = 0x03,
	CFA_ADVANCE_LOC4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER_STATE = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET_EXTENDED = 0x2f,
};

enum { OP_DEREF = 0x06, OP_LIT0 = 0x30, OP_LIT31 = 0x4f, OP_BREG0 = 0x70 };

/* Nested remember_state instructions: compilers nest one. */
enum { REMEMBERED_MAX = 8 };

/* What is left of a piece of memory; bad when somebody read beyond its end. */
struct reader {
	const uint8_t *at, *end;
	bool bad;
};

static uint64_t read_fixed(struct reader *reader, size_t bytes)
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

static uint64_t read_unsigned(struct reader *reader)
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

static int64_t read_signed(struct reader *reader)
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

/* Memory from p to the end of the readable segment that has it; empty when none has. */
static struct reader segment_from(const struct dl_phdr_info *info, uintptr_t p)
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
	struct reader reader = segment_from(info, header);
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

struct cie {
	struct reader instructions;
	uint64_t code_alignment;
	int64_t data_alignment;
	uint8_t pointer_encoding;
	bool augmented; /* its FDEs have augmentation data too */
};

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

/* Where a register's value in the caller is. */
enum where { SAME, UNDEFINED, AT_CFA, AT_FP, ELSEWHERE };

struct row_register {
	enum where where;
	int64_t offset;
};

/* The row of the unwind table that the instructions have built so far, as far as a rule can use it. */
struct row {
	enum { CFA_REGISTER_OFFSET, CFA_DEREF, CFA_ELSEWHERE } cfa_kind;
	uint64_t cfa_register;
	int64_t cfa_offset;
	struct row_register kept[KEPT_REGISTERS], return_address;
	bool sp_restored; /* a rule for the stack pointer other than "is the CFA" */
};

static struct row_register *row_register(struct row *row, uint64_t number)
{
	int kept = registers_kept_index(number);
	return kept >= 0 ? &row->kept[kept] : number == DWARF_RETURN_ADDRESS ? &row->return_address : NULL;
}

static void row_set(struct row *row, uint64_t number, enum where where, int64_t offset)
{
	struct row_register *place = row_register(row, number);
	if (place)
		*place = (struct row_register){where, offset};
	else if (number == DWARF_SP)
		row->sp_restored = where != SAME;
}

static void row_restore(struct row *row, const struct row *initial, uint64_t number)
{
	struct row_register *place = row_register(row, number);
	struct row first = *initial;
	if (place)
		*place = *row_register(&first, number);
	else if (number == DWARF_SP)
		row->sp_restored = initial->sp_restored;
}

/* An expression of the form "what fp + offset points to"; after it the word itself is fetched when `deref`. */
static bool read_fp_expression(struct reader *reader, bool deref, int64_t *offset)
{
	uint64_t length = read_unsigned(reader);
	if (reader->bad || length > (size_t)(reader->end - reader->at)) {
		reader->bad = true;
		return false;
	}
	struct reader expression = {reader->at, reader->at + length, false};
	reader->at += length;
	uint64_t operation = read_fixed(&expression, 1);
	*offset = read_signed(&expression);
	if (deref && read_fixed(&expression, 1) != OP_DEREF)
		return false;
	return !expression.bad && expression.at == expression.end && operation == OP_BREG0 + DWARF_FP;
}

/*
 * The CFA of the stubs through which functions of other modules are called, as linkers write it: sp + 8, and 8 more from
 * the instruction on that follows the stub's push: ((ip & 15) >= PUSHED) * 8. The pc decides, so that it is a rule.
 */
static bool read_stub_expression(struct reader reader, uintptr_t pc, int64_t *offset)
{
	enum { PUSHED = 6, STUB_BYTES = 16 };
	uint8_t code[] = {OP_BREG0 + DWARF_SP,
			  8,
			  OP_BREG0 + DWARF_RETURN_ADDRESS,
			  0,
			  OP_LIT0 + STUB_BYTES - 1,
			  0x1a, /* and */
			  OP_LIT0,
			  0x2a, /* ge */
			  OP_LIT0 + 3,
			  0x24, /* shl */
			  0x22 /* plus */};
	if (read_unsigned(&reader) != sizeof code || reader.bad || (size_t)(reader.end - reader.at) < sizeof code)
		return false;
	uint8_t pushed = reader.at[PUSHED];
	code[PUSHED] = pushed;
	if (pushed < OP_LIT0 || pushed > OP_LIT31 || memcmp(reader.at, code, sizeof code) != 0)
		return false;
	*offset = 8 + (pc % STUB_BYTES >= (uintptr_t)(pushed - OP_LIT0) ? 8 : 0);
	return true;
}

/* Offsets are multiples of the data alignment. Nonsense may wrap. */
static int64_t scaled(const struct cie *cie, uint64_t factor)
{
	return (int64_t)(factor * (uint64_t)cie->data_alignment);
}

struct program {
	const struct cie *cie;
	const struct row *initial; /* NULL while the CIE's own instructions run */
	uintptr_t location;        /* the row under construction holds from here */
	uintptr_t pc;
	struct row remembered[REMEMBERED_MAX];
	unsigned depth;
};

/* An instruction that defines the CFA. */
static bool run_cfa_instruction(struct program *program, struct reader *reader, unsigned opcode, struct row *row)
{
	int64_t stub_offset = 0;
	bool is_stub;
	switch (opcode) {
	case CFA_DEF_CFA:
	case CFA_DEF_CFA_SF:
		row->cfa_kind = CFA_REGISTER_OFFSET;
		row->cfa_register = read_unsigned(reader);
		row->cfa_offset = opcode == CFA_DEF_CFA ? (int64_t)read_unsigned(reader)
							: scaled(program->cie, (uint64_t)read_signed(reader));
		return true;
	case CFA_DEF_CFA_REGISTER:
		row->cfa_register = read_unsigned(reader);
		return row->cfa_kind == CFA_REGISTER_OFFSET;
	case CFA_DEF_CFA_OFFSET:
		row->cfa_offset = (int64_t)read_unsigned(reader);
		return row->cfa_kind == CFA_REGISTER_OFFSET;
	case CFA_DEF_CFA_OFFSET_SF:
		row->cfa_offset = scaled(program->cie, (uint64_t)read_signed(reader));
		return row->cfa_kind == CFA_REGISTER_OFFSET;
	case CFA_DEF_CFA_EXPRESSION:
		is_stub = read_stub_expression(*reader, program->pc, &stub_offset);
		row->cfa_kind = read_fp_expression(reader, true, &row->cfa_offset) ? CFA_DEREF : CFA_ELSEWHERE;
		if (is_stub) {
			row->cfa_kind = CFA_REGISTER_OFFSET;
			row->cfa_register = DWARF_SP;
			row->cfa_offset = stub_offset;
		}
		return true;
	default:
		return false;
	}
}

/* An instruction that says where a register's value is. */
static bool run_register_instruction(struct program *program, struct reader *reader, unsigned opcode, struct row *row)
{
	int64_t offset = 0;
	uint64_t number = read_unsigned(reader);
	switch (opcode) {
	case CFA_OFFSET_EXTENDED:
		row_set(row, number, AT_CFA, scaled(program->cie, read_unsigned(reader)));
		return true;
	case CFA_OFFSET_EXTENDED_SF:
		row_set(row, number, AT_CFA, scaled(program->cie, (uint64_t)read_signed(reader)));
		return true;
	case CFA_GNU_NEGATIVE_OFFSET_EXTENDED:
		row_set(row, number, AT_CFA, scaled(program->cie, -read_unsigned(reader)));
		return true;
	case CFA_RESTORE_EXTENDED:
		if (program->initial)
			row_restore(row, program->initial, number);
		return program->initial != NULL;
	case CFA_UNDEFINED:
		row_set(row, number, UNDEFINED, 0);
		return true;
	case CFA_SAME_VALUE:
		row_set(row, number, SAME, 0);
		return true;
	case CFA_EXPRESSION: {
		bool by_fp = read_fp_expression(reader, false, &offset);
		row_set(row, number, by_fp ? AT_FP : ELSEWHERE, offset);
		return true;
	}
	case CFA_REGISTER:
	case CFA_VAL_OFFSET:
		read_unsigned(reader);
		break;
	case CFA_VAL_OFFSET_SF:
		read_signed(reader);
		break;
	case CFA_VAL_EXPRESSION:
		read_fp_expression(reader, false, &offset);
		break;
	default:
		return false;
	}
	row_set(row, number, ELSEWHERE, 0);
	return true;
}

static bool run_state_instruction(struct program *program, unsigned opcode, struct row *row)
{
	if (opcode == CFA_REMEMBER_STATE) {
		if (program->depth == REMEMBERED_MAX)
			return false;
		program->remembered[program->depth++] = *row;
		return true;
	}
	if (!program->depth)
		return false;
	*row = program->remembered[--program->depth];
	return true;
}

/* Runs one instruction; false when it is not understood. */
static bool run_instruction(struct program *program, struct reader *reader, struct row *row)
{
	unsigned opcode = (unsigned)read_fixed(reader, 1), operand = opcode & ~(unsigned)CFA_PRIMARY;
	switch (opcode & CFA_PRIMARY) {
	case CFA_ADVANCE_LOC:
		program->location += operand * program->cie->code_alignment;
		return true;
	case CFA_OFFSET:
		row_set(row, operand, AT_CFA, scaled(program->cie, read_unsigned(reader)));
		return true;
	case CFA_RESTORE:
		if (program->initial)
			row_restore(row, program->initial, operand);
		return program->initial != NULL;
	}
	switch (opcode) {
	case CFA_NOP:
		return true;
	case CFA_ADVANCE_LOC1:
		program->location += read_fixed(reader, 1) * program->cie->code_alignment;
		return true;
	case CFA_ADVANCE_LOC2:
		program->location += read_fixed(reader, 2) * program->cie->code_alignment;
		return true;
	case CFA_ADVANCE_LOC4:
		program->location += read_fixed(reader, 4) * program->cie->code_alignment;
		return true;
	case CFA_REMEMBER_STATE:
	case CFA_RESTORE_STATE:
		return run_state_instruction(program, opcode, row);
	case CFA_GNU_ARGS_SIZE:
		read_unsigned(reader);
		return true;
	case CFA_DEF_CFA:
	case CFA_DEF_CFA_SF:
	case CFA_DEF_CFA_REGISTER:
	case CFA_DEF_CFA_OFFSET:
	case CFA_DEF_CFA_OFFSET_SF:
	case CFA_DEF_CFA_EXPRESSION:
		return run_cfa_instruction(program, reader, opcode, row);
	default:
		return run_register_instruction(program, reader, opcode, row);
	}
}

/* Runs instructions up to the row that holds at the program's pc. */
static bool run(struct program *program, struct reader reader, struct row *row)
{
	while (reader.at < reader.end && !reader.bad) {
		struct row next = *row;
		if (!run_instruction(program, &reader, &next))
			return false;
		if (program->initial && program->location > program->pc)
			return true;
		*row = next;
	}
	return !reader.bad;
}

static bool fits(int64_t value, int64_t limit)
{
	return value >= -limit && value < limit;
}

static struct rule rule_of(const struct row *row)
{
	static const struct rule slow = {.kind = RULE_SLOW};
	struct rule rule = {0};
	if (row->return_address.where == UNDEFINED)
		return (struct rule){.kind = RULE_END};
	if (row->return_address.where != AT_CFA || row->return_address.offset != RETURN_ADDRESS_OFFSET ||
	    row->sp_restored || !fits(row->cfa_offset, INT32_MAX))
		return slow;
	rule.cfa_offset = (int32_t)row->cfa_offset;
	if (row->cfa_kind == CFA_DEREF)
		rule.kind = RULE_FP_DEREF;
	else if (row->cfa_kind == CFA_REGISTER_OFFSET && row->cfa_register == DWARF_SP)
		rule.kind = RULE_SP;
	else if (row->cfa_kind == CFA_REGISTER_OFFSET && row->cfa_register == DWARF_FP)
		rule.kind = RULE_FP;
	else
		return slow;
	const struct row_register *fp = &row->kept[KEPT_FP];
	if (fp->where != SAME) {
		if ((fp->where != AT_CFA && fp->where != AT_FP) || !fits(fp->offset, INT16_MAX))
			return slow;
		rule.fp = fp->where == AT_CFA ? FP_AT_CFA : FP_AT_FP;
		rule.fp_offset = (int16_t)fp->offset;
	}
	return rule;
}

struct fde {
	struct cie cie;
	struct reader instructions;
	uintptr_t start, length; /* of the code that it describes */
};

/* Of the code that pc is in. false: there is none that is understood. */
static bool read_fde(uintptr_t pc, const struct dl_phdr_info *info, struct fde *out)
{
	struct reader fde = segment_from(info, find_fde(pc, info));
	if (!enter_entry(&fde))
		return false;
	uintptr_t cie_field = (uintptr_t)fde.at;
	uint64_t cie_distance = read_fixed(&fde, 4);
	if (!cie_distance || !read_cie(segment_from(info, cie_field - cie_distance), &out->cie))
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

/* The row that holds at pc. false: there is none that is understood. */
static bool find_row(uintptr_t pc, const struct dl_phdr_info *info, struct row *row)
{
	struct fde fde;
	if (!read_fde(pc, info, &fde))
		return false;
	struct program program = {.cie = &fde.cie, .location = fde.start, .pc = pc};
	*row = (struct row){.cfa_kind = CFA_ELSEWHERE};
	if (!run(&program, fde.cie.instructions, row))
		return false;
	struct row initial = *row;
	program.initial = &initial;
	return run(&program, fde.instructions, row);
}

uintptr_t cfi_function(uintptr_t pc, const struct dl_phdr_info *info, size_t *bytes)
{
	struct fde fde;
	if (!read_fde(pc, info, &fde))
		return 0;
	*bytes = fde.length;
	return fde.start;
}

bool cfi_ends_handler(uintptr_t ip, const struct dl_phdr_info *info)
{
	struct reader code = segment_from(info, ip);
	return !code.bad && code.end - code.at >= SIGNAL_RETURN_BYTES && context_is_signal_return(code.at);
}

bool cfi_is_made_up(uintptr_t ip, const struct dl_phdr_info *info)
{
	struct fde fde;
	return read_fde(ip, info, &fde) && fde.start == ip && !read_fde(ip - 1, info, &fde);
}

struct rule cfi_rule(uintptr_t pc, const struct dl_phdr_info *info)
{
	static const struct rule slow = {.kind = RULE_SLOW};
	struct row row;
	return find_row(pc, info, &row) ? rule_of(&row) : slow;
}

struct rule cfi_kept(uintptr_t pc, const struct dl_phdr_info *info, struct kept_rule kept[KEPT_REGISTERS])
{
	static const struct rule slow = {.kind = RULE_SLOW};
	static const enum kept_where wheres[] = {[SAME] = KEPT_SAME,
						 [UNDEFINED] = KEPT_LOST,
						 [AT_CFA] = KEPT_AT_CFA,
						 [AT_FP] = KEPT_AT_FP,
						 [ELSEWHERE] = KEPT_LOST};
	struct row row;
	if (!find_row(pc, info, &row))
		return slow;
	for (int i = 0; i < KEPT_REGISTERS; i++)
		kept[i] = (struct kept_rule){wheres[row.kept[i].where], row.kept[i].offset};
	return rule_of(&row);
}
