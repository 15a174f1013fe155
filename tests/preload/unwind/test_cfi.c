/*
 * Rules against an independent reader of .eh_frame: each row of each function of some libraries, as readelf prints it;
 * and hostile tables, which end at a page that cannot be read: nothing beyond is read, and nothing is believed.
 */
#include "preload/unwind/cfi.h"

#include "tests/preload/unit.h"

#include <dlfcn.h>
#include <link.h>
#include <sys/mman.h>

/* --- readelf ------------------------------------------------------------------------------------------------------ */

enum { COLUMNS_MAX = 24, NAME_BYTES = 16, FUNCTIONS_MAX = 200000 };

/* A row of its tables: where it begins, and its cells; those of registers that the table has no column for are empty.
 */
struct line {
	uintptr_t start;
	char cfa[NAME_BYTES], fp[NAME_BYTES], sp[NAME_BYTES], return_address[NAME_BYTES];
	char kept[KEPT_REGISTERS][NAME_BYTES];
};

struct reading {
	const struct dl_phdr_info *info;
	bool signal_frame; /* of the CIE that holds now */
	char column[COLUMNS_MAX][NAME_BYTES];
	int columns;
	struct line cie_line, line; /* the CIE's only row; the last one that was read */
	bool has_line;
	uintptr_t start, end; /* of the function */
	struct function {
		uintptr_t start, end;
	} * function;
	size_t functions;
	uint64_t compared, by_kind[RULE_FP_DEREF + 1];
};

/* "rbp+16" has the register and a number behind it. */
static bool register_offset(const char *cell, const char *name, int *offset)
{
	size_t length = strlen(name);
	return strncmp(cell, name, length) == 0 && sscanf(cell + length, "%d", offset) == 1;
}

static bool unchanged(const char *cell)
{
	return !*cell || strcmp(cell, "u") == 0 || strcmp(cell, "s") == 0;
}

/*
 * Stubs of 16 bytes, for calls of other modules' functions: the loader's number is pushed by the second instruction,
 * which ends at byte 10 or 11.
 */
static bool is_stub(struct rule rule, uintptr_t pc)
{
	uintptr_t at = pc % 16;
	return rule.kind == RULE_SP && rule.fp == FP_SAME &&
	       (rule.cfa_offset == (at >= 11 ? 16 : 8) || (at == 10 && rule.cfa_offset == 16));
}

/*
 * Whether the rule is what the row says. What is in an expression, readelf does not tell here: then the rule may be of
 * the kind that stands for one, or slow.
 */
static bool rule_is(struct rule rule, uintptr_t pc, const struct line *line, bool signal_frame)
{
	int offset = 0;
	if (signal_frame)
		return rule.kind == RULE_SLOW;
	if (strcmp(line->return_address, "u") == 0)
		return rule.kind == RULE_END;
	if (strcmp(line->return_address, "c-8") != 0 || !unchanged(line->sp))
		return rule.kind == RULE_SLOW;
	bool fp_expression = strcmp(line->fp, "exp") == 0;
	if (rule.kind == RULE_SLOW)
		return fp_expression || (strncmp(line->cfa, "rsp", 3) != 0 && strncmp(line->cfa, "rbp", 3) != 0) ||
		       (line->fp[0] != 'c' && !unchanged(line->fp));
	if (strcmp(line->cfa, "exp") == 0) {
		if (rule.kind != RULE_FP_DEREF && !is_stub(rule, pc))
			return false;
	} else if (register_offset(line->cfa, "rsp", &offset)) {
		if (rule.kind != RULE_SP || rule.cfa_offset != offset)
			return false;
	} else if (!register_offset(line->cfa, "rbp", &offset) || rule.kind != RULE_FP || rule.cfa_offset != offset) {
		return false;
	}
	if (unchanged(line->fp))
		return rule.fp == FP_SAME;
	if (fp_expression)
		return rule.fp == FP_AT_FP;
	return register_offset(line->fp, "c", &offset) && rule.fp == FP_AT_CFA && rule.fp_offset == offset;
}

static const char *const kept_names[KEPT_REGISTERS] = {"rbx", "rbp", "r12", "r13", "r14", "r15"};

static bool kept_is(struct kept_rule rule, const char *cell)
{
	int offset = 0;
	/* It prints "u" where the row says nothing, too. */
	if (unchanged(cell))
		return rule.where == KEPT_SAME || (rule.where == KEPT_LOST && strcmp(cell, "u") == 0);
	if (register_offset(cell, "c", &offset))
		return rule.where == KEPT_AT_CFA && rule.offset == offset;
	return rule.where == KEPT_AT_FP || rule.where == KEPT_LOST;
}

static void compare_kept(const struct reading *reading, uintptr_t pc, const struct line *line, struct rule rule)
{
	struct kept_rule kept[KEPT_REGISTERS];
	struct rule again = cfi_kept(reading->info->dlpi_addr + pc, reading->info, kept);
	ENSURE(memcmp(&rule, &again, sizeof rule) == 0, "%s: another rule for %lx with registers",
	       reading->info->dlpi_name, pc);
	for (int i = 0; i < KEPT_REGISTERS && rule.kind >= RULE_SP; i++)
		ENSURE(kept_is(kept[i], line->kept[i]), "%s: at %lx %s %d at %ld; readelf has %s",
		       reading->info->dlpi_name, pc, kept_names[i], kept[i].where, kept[i].offset, line->kept[i]);
}

static void compare_at(struct reading *reading, uintptr_t pc, const struct line *line)
{
	struct rule rule = cfi_rule(reading->info->dlpi_addr + pc, reading->info);
	ENSURE(rule_is(rule, pc, line, reading->signal_frame),
	       "%s: at %lx kind %d, CFA %d, fp %d at %d; readelf has CFA %s, rbp %s, rsp %s, return address %s",
	       reading->info->dlpi_name, pc, rule.kind, rule.cfa_offset, rule.fp, rule.fp_offset, line->cfa, line->fp,
	       line->sp, line->return_address);
	compare_kept(reading, pc, line, rule);
	reading->compared++;
	reading->by_kind[rule.kind]++;
}

/* The row that was read last holds up to `end`. */
static void line_ends(struct reading *reading, uintptr_t end)
{
	if (!reading->has_line || reading->line.start >= end)
		return;
	compare_at(reading, reading->line.start, &reading->line);
	if (end - 1 > reading->line.start)
		compare_at(reading, end - 1, &reading->line);
}

static void function_ends(struct reading *reading)
{
	line_ends(reading, reading->end);
	reading->has_line = false;
	reading->start = reading->end = 0;
}

static void read_columns(struct reading *reading, char *text)
{
	char *rest = NULL;
	reading->columns = 0;
	for (char *name = strtok_r(text, " \n", &rest); name && reading->columns < COLUMNS_MAX;
	     name = strtok_r(NULL, " \n", &rest))
		snprintf(reading->column[reading->columns++], NAME_BYTES, "%.15s", name);
}

static void read_line(struct reading *reading, char *text)
{
	struct line line = {0};
	char *rest = NULL, *cell = strtok_r(text, " \n", &rest);
	for (int i = 0; cell && i < reading->columns; i++) {
		const char *name = reading->column[i];
		char *place = strcmp(name, "CFA") == 0   ? line.cfa
			      : strcmp(name, "rbp") == 0 ? line.fp
			      : strcmp(name, "rsp") == 0 ? line.sp
			      : strcmp(name, "ra") == 0  ? line.return_address
							 : NULL;
		if (i == 0)
			line.start = strtoul(cell, NULL, 16);
		else if (place)
			snprintf(place, NAME_BYTES, "%.15s", cell);
		for (int k = 0; k < KEPT_REGISTERS; k++)
			if (strcmp(name, kept_names[k]) == 0)
				snprintf(line.kept[k], NAME_BYTES, "%.15s", cell);
		/* A value in a register has that one's number behind its name: "rax (r0)". */
		do
			cell = strtok_r(NULL, " \n", &rest);
		while (cell && *cell == '(');
	}
	if (!reading->end) {
		reading->cie_line = line;
		return;
	}
	line_ends(reading, line.start);
	reading->line = line;
	reading->has_line = true;
}

static void begin_function(struct reading *reading, const char *range)
{
	ck_assert_int_eq(sscanf(range, "pc=%lx..%lx", &reading->start, &reading->end), 2);
	/* Until its own rows come. */
	reading->line = reading->cie_line;
	reading->line.start = reading->start;
	reading->has_line = true;
	ck_assert_uint_lt(reading->functions, FUNCTIONS_MAX);
	reading->function[reading->functions++] = (struct function){reading->start, reading->end};
}

/* One CIE for all that follow it is what linkers write; where there are several, each FDE names its own. */
struct known_cie {
	unsigned long offset;
	bool signal_frame;
	struct line line;
};

static void read_tables(struct reading *reading, FILE *file)
{
	enum { CIES_MAX = 4096 };
	static struct known_cie cies[CIES_MAX];
	static char text[4096];
	size_t known = 0;
	bool in_section = false, in_cie = false;
	unsigned long offset, cie;
	char augmentation[NAME_BYTES];
	while (fgets(text, sizeof text, file)) {
		const char *range = strstr(text, "pc=");
		if (strncmp(text, "Contents of the ", 16) == 0) {
			in_section = strncmp(text + 16, ".eh_frame ", 10) == 0;
		} else if (!in_section) {
			continue;
		} else if (sscanf(text, "%lx %*x %*x CIE \"%15[^\"]\"", &offset, augmentation) == 2) {
			function_ends(reading);
			ck_assert_uint_lt(known, CIES_MAX);
			cies[known++] = (struct known_cie){.offset = offset, .signal_frame = strchr(augmentation, 'S')};
			in_cie = true;
		} else if (range && sscanf(text, "%*x %*x %*x FDE cie=%lx", &cie) == 1) {
			function_ends(reading);
			size_t i = 0;
			while (i < known && cies[i].offset != cie)
				i++;
			ck_assert_uint_lt(i, known);
			reading->signal_frame = cies[i].signal_frame;
			reading->cie_line = cies[i].line;
			in_cie = false;
			begin_function(reading, range);
		} else if (strncmp(text, "   LOC", 6) == 0) {
			read_columns(reading, text);
		} else if (strspn(text, "0123456789abcdef") == 16) {
			read_line(reading, text);
			if (in_cie)
				cies[known - 1].line = reading->cie_line;
		}
	}
	function_ends(reading);
}

static int by_start(const void *a, const void *b)
{
	uintptr_t x = ((const struct function *)a)->start, y = ((const struct function *)b)->start;
	return (x > y) - (x < y);
}

/* Between functions nothing is known. */
static void compare_gaps(struct reading *reading)
{
	static const struct rule slow = {.kind = RULE_SLOW};
	qsort(reading->function, reading->functions, sizeof *reading->function, by_start);
	uintptr_t end = 0;
	for (size_t i = 0; i + 1 < reading->functions; i++) {
		if (reading->function[i].end > end)
			end = reading->function[i].end;
		if (end >= reading->function[i + 1].start)
			continue;
		uintptr_t gap[] = {end, reading->function[i + 1].start - 1};
		for (int k = 0; k < 2; k++) {
			struct rule rule = cfi_rule(reading->info->dlpi_addr + gap[k], reading->info);
			ENSURE(memcmp(&rule, &slow, sizeof rule) == 0, "%s: a rule for %lx, where no function is",
			       reading->info->dlpi_name, gap[k]);
		}
	}
}

static const struct wanted {
	const char *soname; /* NULL: this program */
	bool always;        /* there, and with rows of all kinds that are usual */
	bool aligns;        /* with functions that align their stack */
} libraries[] = {
	{NULL, true, false},
	{"libc.so.6", true, false},
	{"ld-linux-x86-64.so.2", true, false},
	{"libm.so.6", true, false},
	{"libstdc++.so.6", true, false},
	{"libgcc_s.so.1", true, false},
	{HOSTS_DIRECTORY "/libframes_realigned.so", true, true},
	{HOSTS_DIRECTORY "/libframes_pointers.so", true, false},
	{"libcrypto.so.3", false, false}, /* assembly, with frames that compilers do not make */
	{"libpython3.11.so.1.0", false, false},
	{"libperl.so.5.36", false, false},
};

struct search {
	uintptr_t address;
	struct dl_phdr_info info;
};

static int note_info(struct dl_phdr_info *info, size_t bytes, void *argument)
{
	struct search *search = argument;
	(void)bytes;
	if (info->dlpi_addr != search->address)
		return 0;
	search->info = *info;
	return 1;
}

START_TEST(equal_to_readelf)
{
	const struct wanted *wanted = &libraries[_i];
	struct link_map *map;
	void *handle = dlopen(wanted->soname, RTLD_LAZY);
	if (!handle && !wanted->always) {
		fprintf(stderr, "%s is not installed: skipped\n", wanted->soname);
		return;
	}
	ck_assert_msg(handle != NULL, "%s", dlerror());
	ck_assert_int_eq(dlinfo(handle, RTLD_DI_LINKMAP, &map), 0);
	struct search search = {.address = map->l_addr};
	ck_assert_int_eq(dl_iterate_phdr(note_info, &search), 1);
	char command[5000], path[4096];
	ck_assert_ptr_nonnull(realpath(wanted->soname ? map->l_name : "/proc/self/exe", path));
	snprintf(command, sizeof command, "LC_ALL=C readelf -wN --debug-dump=frames-interp '%s' 2>/dev/null", path);
	FILE *file = popen(command, "r");
	struct reading reading = {.info = &search.info};
	reading.function = calloc(FUNCTIONS_MAX, sizeof *reading.function);
	read_tables(&reading, file);
	ck_assert_int_eq(pclose(file), 0);
	compare_gaps(&reading);
	ck_assert_uint_gt(reading.functions, 10);
	ck_assert_uint_gt(reading.compared, reading.functions);
	ck_assert_uint_gt(reading.by_kind[RULE_SP], 0);
	if (wanted->aligns)
		ck_assert_uint_gt(reading.by_kind[RULE_FP_DEREF], 0);
	ck_assert_msg(reading.by_kind[RULE_SLOW] * 5 < reading.compared || !wanted->always, "%s: %lu of %lu are slow",
		      path, reading.by_kind[RULE_SLOW], reading.compared);
	free(reading.function);
}
END_TEST

/* --- Hostile tables ----------------------------------------------------------------------------------------------- */

/*
 * A module of one segment, at the end of readable memory: code that is not there from CODE on, then .eh_frame_hdr with
 * one entry, a CIE, and an FDE for CODE_BYTES of code.
 */
enum { PAGE = 4096, MODULE_PAGES = 4, CODE = 16, CODE_BYTES = 64, HEADER = 32, MODULE_MAX = 1024 };

struct module_bytes {
	uint8_t byte[MODULE_MAX];
	size_t count;
	size_t cie, fde; /* where they are */
};

static void add(struct module_bytes *module, const void *bytes, size_t count)
{
	ck_assert_uint_le(module->count + count, MODULE_MAX);
	memcpy(module->byte + module->count, bytes, count);
	module->count += count;
}

static void add32(struct module_bytes *module, size_t value)
{
	int32_t word = (int32_t)value;
	add(module, &word, sizeof word);
}

/* With these instructions in the FDE. */
static struct module_bytes module_with(const uint8_t *instructions, size_t bytes)
{
	/* Version 1, "zR", alignment 1 and -8, return address in 16; pc-relative, 4 signed bytes. */
	static const uint8_t cie[] = {1, 'z', 'R', 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0};
	static const uint8_t header[] = {1, 0x1b, 0x03, 0x3b};
	struct module_bytes module = {.count = HEADER};
	enum { HEADER_BYTES = 20 };
	module.cie = HEADER + HEADER_BYTES;
	module.fde = module.cie + 8 + sizeof cie;
	add(&module, header, sizeof header);
	add32(&module, module.cie - module.count);
	add32(&module, 1);
	add32(&module, (size_t)CODE - HEADER);
	add32(&module, module.fde - HEADER);
	add32(&module, 4 + sizeof cie);
	add32(&module, 0);
	add(&module, cie, sizeof cie);
	add32(&module, 13 + bytes);
	add32(&module, module.count - module.cie);
	add32(&module, (size_t)CODE - module.count);
	add32(&module, CODE_BYTES);
	add(&module, "", 1);
	add(&module, instructions, bytes);
	return module;
}

/* The rule at the offset, with the first `bytes` bytes of the module, after which memory ends. */
static struct rule rule_of_bytes(const struct module_bytes *module, size_t bytes, size_t offset)
{
	static uint8_t *pages;
	if (!pages) {
		pages = mmap(NULL, (MODULE_PAGES + 2) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0);
		ck_assert_ptr_ne(pages, MAP_FAILED);
		mprotect(pages, PAGE, PROT_NONE);
		mprotect(pages + (MODULE_PAGES + 1) * PAGE, PAGE, PROT_NONE);
	}
	uint8_t *start = pages + (MODULE_PAGES + 1) * PAGE - bytes;
	memcpy(start, module->byte, bytes);
	ElfW(Phdr) headers[] = {
		{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_filesz = bytes, .p_memsz = bytes},
		{.p_type = PT_GNU_EH_FRAME, .p_flags = PF_R, .p_vaddr = HEADER, .p_filesz = 20, .p_memsz = 20},
	};
	struct dl_phdr_info info = {
		.dlpi_addr = (uintptr_t)start, .dlpi_name = "", .dlpi_phdr = headers, .dlpi_phnum = 2};
	return cfi_rule((uintptr_t)start + offset, &info);
}

static bool is_slow(struct rule rule)
{
	return rule.kind == RULE_SLOW && !rule.cfa_offset && !rule.fp_offset && !rule.fp;
}

/* push %rbp; mov %rsp, %rbp; ...; leave; ret, with a state that is remembered. */
static const uint8_t usual[] = {0x41, 0x0e, 16, 0x86, 2, 0x43, 0x0d, 6, 0x4a, 0x0a, 0x0c, 7, 8, 0x41, 0x0b};

static struct rule usual_rule(size_t offset)
{
	struct module_bytes module = module_with(usual, sizeof usual);
	return rule_of_bytes(&module, module.count, CODE + offset);
}

START_TEST(the_module_is_understood)
{
	static const struct {
		size_t offset;
		struct rule rule;
	} expected[] = {
		{0, {8, 0, RULE_SP, FP_SAME}},
		{1, {16, -16, RULE_SP, FP_AT_CFA}},
		{3, {16, -16, RULE_SP, FP_AT_CFA}},
		{4, {16, -16, RULE_FP, FP_AT_CFA}},
		{14, {8, -16, RULE_SP, FP_AT_CFA}},
		{15, {16, -16, RULE_FP, FP_AT_CFA}},
		{CODE_BYTES - 1, {16, -16, RULE_FP, FP_AT_CFA}},
	};
	for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
		struct rule rule = usual_rule(expected[i].offset);
		ck_assert_msg(memcmp(&rule, &expected[i].rule, sizeof rule) == 0, "offset %zu: kind %d, CFA %d",
			      expected[i].offset, rule.kind, rule.cfa_offset);
	}
	ck_assert(is_slow(usual_rule(CODE_BYTES)));
	ck_assert(is_slow(usual_rule((size_t)-1)));
}
END_TEST

/* Wherever it ends, nothing beyond is read; what is not whole is not believed. */
START_TEST(truncated)
{
	struct module_bytes module = module_with(usual, sizeof usual);
	for (size_t bytes = 0; bytes < module.count; bytes++)
		for (size_t offset = 0; offset < CODE_BYTES; offset += 5)
			ck_assert(is_slow(rule_of_bytes(&module, bytes, CODE + offset)));
}
END_TEST

/* Each is a table as above with one thing wrong. */
START_TEST(nonsense_is_not_believed)
{
	struct module_bytes good = module_with(usual, sizeof usual);
	const struct {
		const char *what;
		size_t at;
		uint32_t value;
		size_t bytes;
	} wrong[] = {
		{"version of .eh_frame_hdr", HEADER, 2, 1},
		{"encoding of the pointer to .eh_frame", HEADER + 1, 0x0f, 1},
		{"encoding of the count", HEADER + 2, 0x04, 1},
		{"encoding of the table", HEADER + 3, 0x1b, 1},
		{"no entries", HEADER + 8, 0, 4},
		{"absurd number of entries", HEADER + 8, UINT32_MAX, 4},
		{"one entry too many", HEADER + 8, 40, 4},
		{"first function further on", HEADER + 12, 1000, 4},
		{"FDE outside of the module", HEADER + 16, 100000, 4},
		{"FDE before the module", HEADER + 16, (uint32_t)-100000, 4},
		{"FDE at the very end", HEADER + 16, (uint32_t)(good.count - HEADER - 1), 4},
		{"FDE that is a CIE", HEADER + 16, (uint32_t)(good.cie - HEADER), 4},
		{"CIE of length 0", good.cie, 0, 4},
		{"CIE of absurd length", good.cie, 0x7fffffff, 4},
		{"CIE of 64-bit length", good.cie, UINT32_MAX, 4},
		{"CIE that is an FDE", good.cie + 4, 20, 4},
		{"version of the CIE", good.cie + 8, 4, 1},
		{"augmentation without a length", good.cie + 9, 'R', 1},
		{"augmentation of a signal frame", good.cie + 10, 'S', 1},
		{"augmentation unknown", good.cie + 10, 'X', 1},
		{"augmentation without an end", good.cie + 11, 'R', 1},
		{"return address elsewhere", good.cie + 14, 15, 1},
		{"encoding of pointers", good.cie + 16, 0x01, 1},
		{"pointers to pointers", good.cie + 16, 0x9b, 1},
		{"pointers omitted", good.cie + 16, 0xff, 1},
		{"instruction of the CIE unknown", good.cie + 17, 0x3f, 1},
		{"FDE of length 0", good.fde, 0, 4},
		{"FDE too short for its fields", good.fde, 6, 4},
		{"FDE too long by one", good.fde, (uint32_t)(good.count - good.fde - 4 + 1), 4},
		{"FDE of absurd length", good.fde, 0x7fffffff, 4},
		{"FDE of 64-bit length", good.fde, UINT32_MAX, 4},
		{"CIE is the FDE itself", good.fde + 4, 4, 4},
		{"CIE before the module", good.fde + 4, 0x7ffffff0, 4},
		{"CIE beyond the module", good.fde + 4, (uint32_t)-2000, 4},
		{"function elsewhere", good.fde + 8, 0, 4},
		{"function of no length", good.fde + 12, 0, 4},
		{"absurd augmentation data", good.fde + 16, 0x7f, 1},
		{"instruction unknown", good.fde + 17, 0x3f, 1},
		{"number without an end", good.count - 1, 0x0e, 1},
	};
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		struct module_bytes module = good;
		memcpy(module.byte + wrong[i].at, &wrong[i].value, wrong[i].bytes);
		struct rule rule = rule_of_bytes(&module, module.count, CODE + 20);
		ck_assert_msg(is_slow(rule), "%s: kind %d, CFA %d", wrong[i].what, rule.kind, rule.cfa_offset);
	}
}
END_TEST

/* Programs that express what a rule cannot, or nonsense. */
START_TEST(programs_that_are_slow)
{
	static const struct {
		const char *what;
		uint8_t instructions[24];
	} programs[] = {
		{"nine states remembered", {0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a, 0x0a}},
		{"none to restore", {0x0b}},
		{"CFA in another register", {0x0c, 10, 0}},
		{"CFA of the stack pointer's value", {0x0f, 2, 0x77, 8}},
		{"CFA where the stack pointer leads", {0x0f, 3, 0x77, 8, 0x06}},
		{"expression longer than the table", {0x0f, 0x7f, 0x76, 8, 0x06}},
		{"expression with more behind", {0x0f, 4, 0x76, 8, 0x06, 0x06}},
		{"register of a CFA that is an expression", {0x0f, 3, 0x76, 8, 0x06, 0x0d, 7}},
		{"return address in a register", {0x09, 16, 3}},
		{"return address elsewhere", {0x90, 2}},
		{"return address unchanged", {0x08, 16}},
		{"frame pointer in a register", {0x09, 6, 3}},
		{"frame pointer lost", {0x07, 6}},
		{"frame pointer is a value", {0x14, 6, 2}},
		{"stack pointer saved", {0x87, 3}},
		{"offset beyond 32 bits", {0x0e, 0x80, 0x80, 0x80, 0x80, 0x80, 1}},
		{"frame pointer further than 16 bits", {0x86, 0x80, 0x80, 0x80, 1}},
	};
	for (size_t i = 0; i < sizeof programs / sizeof programs[0]; i++) {
		struct module_bytes module = module_with(programs[i].instructions, sizeof programs[i].instructions);
		struct rule rule = rule_of_bytes(&module, module.count, CODE + 20);
		ck_assert_msg(is_slow(rule), "%s: kind %d, CFA %d", programs[i].what, rule.kind, rule.cfa_offset);
	}
	static const uint8_t last[] = {0x07, 16};
	struct module_bytes module = module_with(last, sizeof last);
	ck_assert_int_eq(rule_of_bytes(&module, module.count, CODE).kind, RULE_END);
}
END_TEST

/* Any bytes: no read outside of the module (there is nothing to be read), and a rule that is one. */
START_TEST(random_bytes)
{
	struct dice dice = {11};
	struct module_bytes good = module_with(usual, sizeof usual);
	uint64_t believed = 0;
	for (int i = 0; i < 300000; i++) {
		struct module_bytes module = good;
		for (uint64_t k = dice_below(&dice, 8) + 1; k > 0; k--)
			module.byte[HEADER + dice_below(&dice, module.count - HEADER)] = (uint8_t)dice_next(&dice);
		size_t bytes = dice_below(&dice, 4) ? module.count : dice_below(&dice, module.count + 1);
		struct rule rule = rule_of_bytes(&module, bytes, CODE + dice_below(&dice, CODE_BYTES));
		ENSURE(rule.kind > RULE_NONE && rule.kind <= RULE_FP_DEREF && rule.fp <= FP_AT_FP, "kind %d, fp %d",
		       rule.kind, rule.fp);
		believed += rule.kind != RULE_SLOW;
	}
	ck_assert_uint_gt(believed, 10000);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("preload: cfi");
	TCase *tests = tcase_create("cfi");
	tcase_set_timeout(tests, 60);
	tcase_add_loop_test(tests, equal_to_readelf, 0, sizeof libraries / sizeof libraries[0]);
	tcase_add_test(tests, the_module_is_understood);
	tcase_add_test(tests, truncated);
	tcase_add_test(tests, nonsense_is_not_believed);
	tcase_add_test(tests, programs_that_are_slow);
	tcase_add_test(tests, random_bytes);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
