/* The one row of .eh_frame that holds at an address; cfi.h says what is kept of it. */
#include "preload/unwind/cfi.h"

#include "preload/arch/context.h"
#include "preload/arch/registers.h"
#include "preload/unwind/fde.h"

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

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

/* The row that holds at pc. false: there is none that is understood. */
static bool find_row(uintptr_t pc, const struct dl_phdr_info *info, struct row *row)
{
	struct fde fde;
	if (!fde_read(pc, info, &fde))
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
	if (!fde_read(pc, info, &fde))
		return 0;
	*bytes = fde.length;
	return fde.start;
}

bool cfi_ends_handler(uintptr_t ip, const struct dl_phdr_info *info)
{
	struct reader code = fde_segment(info, ip);
	return !code.bad && code.end - code.at >= SIGNAL_RETURN_BYTES && context_is_signal_return(code.at);
}

bool cfi_is_made_up(uintptr_t ip, const struct dl_phdr_info *info)
{
	struct fde fde;
	return fde_read(ip, info, &fde) && fde.start == ip && !fde_read(ip - 1, info, &fde);
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
