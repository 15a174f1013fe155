/* Finding the interpreter and its layout; python.h has the states and the words. */
#include "preload/python/python.h"

#include "preload/base/dynsym.h"
#include "preload/base/meta.h"
#include "preload/base/text.h"
#include "preload/process/modules.h"
#include "preload/python/frames.h"

#include <link.h>
#include <string.h>

struct python python;
_Atomic uint32_t python_state;
static _Atomic(const char *) reason;

static struct {
	_Atomic bool taken; /* one has been found and is there */
	_Atomic bool ready; /* ever */
	bool started;       /* what ld.so loaded at first has been looked at */
	bool late;          /* it came by dlopen */
} finding;

enum { DEBUG_OFFSETS_BYTES_MAX = 1024 };

/* The first words of struct _Py_DebugOffsets: Include/internal/pycore_runtime.h of 3.13, pycore_debug_offsets.h later.
 */
struct debug_offsets_head {
	char cookie[8];
	uint64_t version, free_threaded;
	uint64_t runtime[3];
	uint64_t interpreter[];
};

static const char debug_cookie[] = "xdebugpy";

/* Members of the parts that follow, in order; those that are read have a name. */
enum { RUNTIME_SIZE, RUNTIME_FINALIZING };
enum { TSTATE_SIZE, TSTATE_INTERP = 3, TSTATE_FRAME, TSTATE_THREAD_ID, TSTATE_MEMBERS = 9 };
enum { FRAME_SIZE, FRAME_BACK, FRAME_CODE, FRAME_INSTR, FRAME_OWNER = 5 };
enum { CODE_SIZE, CODE_FILENAME, CODE_QUALNAME = 3, CODE_LINETABLE, CODE_FIRSTLINENO, CODE_ADAPTIVE = 9 };

/* Copies the offset if it lies within the struct of this size. */
static bool take(uint16_t *offset, const uint64_t *part, unsigned member)
{
	if (part[member] >= part[0] || part[member] > UINT16_MAX)
		return false;
	*offset = (uint16_t)part[member];
	return true;
}

/* What the interpreter says of itself. False: it contradicts itself, or has no thread that could be read. */
static bool take_debug_offsets(struct python_layout *layout, const struct debug_offsets_head *head)
{
	const uint64_t *tstate = head->interpreter + layout->debug_interpreter_members;
	const uint64_t *frame = tstate + TSTATE_MEMBERS;
	const uint64_t *code = frame + layout->debug_frame_members;
	return take(&layout->runtime_finalizing, head->runtime, RUNTIME_FINALIZING) &&
	       take(&layout->tstate_interp, tstate, TSTATE_INTERP) &&
	       take(&layout->tstate_frame, tstate, TSTATE_FRAME) &&
	       take(&layout->tstate_thread_id, tstate, TSTATE_THREAD_ID) &&
	       take(&layout->frame_back, frame, FRAME_BACK) && take(&layout->frame_code, frame, FRAME_CODE) &&
	       take(&layout->frame_instr, frame, FRAME_INSTR) && take(&layout->frame_owner, frame, FRAME_OWNER) &&
	       take(&layout->code_filename, code, CODE_FILENAME) && take(&layout->code_name, code, CODE_QUALNAME) &&
	       take(&layout->code_lines, code, CODE_LINETABLE) &&
	       take(&layout->code_firstlineno, code, CODE_FIRSTLINENO) &&
	       take(&layout->code_instructions, code, CODE_ADAPTIVE);
}

/* "3.11.2 (main, ...)": 0x030b02f0, as far as the text tells. */
static uint32_t version_hex(const char *text)
{
	uint32_t part[3] = {0};
	for (int i = 0; i < 3; i++) {
		while (*text >= '0' && *text <= '9')
			part[i] = part[i] * 10 + (uint32_t)(*text++ - '0');
		if (*text != '.')
			break;
		text++;
	}
	return part[0] << 24 | (part[1] & 0xff) << 16 | (part[2] & 0xff) << 8 | 0xf0;
}

/* Why this interpreter's structs cannot be read; NULL: they can. */
static const char *choose_layout(const struct dynsym *tables)
{
	const struct python_layout *layout = &python.layout;
	bool tells = layout->debug_interpreter_members != 0;
	if (dynsym_find(tables, "_Py_NegativeRefcount", NULL) || dynsym_find(tables, "_Py_RefTotal", NULL))
		return "Python frames are not recorded: this CPython is a debug build; native stacks are complete";
	if (dynsym_find(tables, "_Py_ForgetReference", NULL))
		return "Python frames are not recorded: this CPython traces references; native stacks are complete";
	size_t least = tells ? DEBUG_OFFSETS_BYTES_MAX : (size_t)layout->runtime_tstate + sizeof(void *);
	if (python.runtime_bytes < least || python.runtime_bytes <= layout->runtime_finalizing)
		return "Python frames are not recorded: this CPython's structs are smaller than its version's";
	if (!tells)
		return NULL;
	const struct debug_offsets_head *head = (const struct debug_offsets_head *)python.runtime;
	if (memcmp(head->cookie, debug_cookie, sizeof head->cookie) != 0 ||
	    head->version >> 16 != (0x300 | layout->version))
		return "Python frames are not recorded: this CPython does not describe itself as its version should";
	if (head->free_threaded)
		return "Python frames are not recorded: this CPython is free-threaded; native stacks are complete";
	struct python_layout said = python.layout;
	if (!take_debug_offsets(&said, head))
		return "Python frames are not recorded: the debug offsets that this CPython exports are inconsistent";
	python.layout = said;
	return NULL;
}

/* What the interpreter must export; all versions do, whatever the build. */
static bool find_symbols(const struct dynsym *tables)
{
	size_t eval_bytes = 0, main_bytes = 0;
	python.runtime = dynsym_find(tables, "_PyRuntime", &python.runtime_bytes);
	python.code_type = dynsym_find(tables, "PyCode_Type", NULL);
	python.str_type = dynsym_find(tables, "PyUnicode_Type", NULL);
	python.bytes_type = dynsym_find(tables, "PyBytes_Type", NULL);
	python.eval = dynsym_find(tables, "_PyEval_EvalFrameDefault", &eval_bytes);
	python.eval_end = python.eval + eval_bytes;
	python.main = dynsym_find(tables, "Py_RunMain", &main_bytes);
	python.main_end = python.main + main_bytes;
	python.this_thread_state = (void *(*)(void))dynsym_find(tables, "PyGILState_GetThisThreadState", NULL);
	python.unchecked_thread_state = (void *(*)(void))dynsym_find(tables, "PyThreadState_GetUnchecked", NULL);
	if (!python.unchecked_thread_state)
		python.unchecked_thread_state =
			(void *(*)(void))dynsym_find(tables, "_PyThreadState_UncheckedGet", NULL);
	python.is_finalizing = (int (*)(void))dynsym_find(tables, "Py_IsFinalizing", NULL);
	if (!python.is_finalizing)
		python.is_finalizing = (int (*)(void))dynsym_find(tables, "_Py_IsFinalizing", NULL);
	python.is_initialized = (int (*)(void))dynsym_find(tables, "Py_IsInitialized", NULL);
	python.print_malloc_stats = (int (*)(void *))dynsym_find(tables, "_PyObject_DebugMallocStats", NULL);
	python.print_type_stats = (void (*)(void *))dynsym_find(tables, "_PyObject_DebugTypeStats", NULL);
	python.get_allocator = (void (*)(int, void *))dynsym_find(tables, "PyMem_GetAllocator", NULL);
	python.set_allocator = (void (*)(int, void *))dynsym_find(tables, "PyMem_SetAllocator", NULL);
	return python.runtime && python.code_type && python.str_type && python.bytes_type && python.this_thread_state &&
	       python.unchecked_thread_state && python.is_finalizing && python.is_initialized;
}

/* Says what has been found; false: there has been one before. */
static bool state_found(enum python_state found)
{
	uint32_t state = atomic_load(&python_state), bare;
	do {
		bare = state % PYTHON_PAUSED;
		if (bare != PYTHON_NONE && bare != PYTHON_GONE)
			return false;
	} while (!atomic_compare_exchange_weak(&python_state, &state, state - bare + found));
	return true;
}

/*
 * A second interpreter in one process is left alone while the first one is there. Where Python was off from the start,
 * this one is known, and still off.
 */
static void look(const struct link_map *map)
{
	struct dynsym tables;
	if (!dynsym_open(&tables, map))
		return;
	const char *(*get_version)(void) = (const char *(*)(void))dynsym_find(&tables, "Py_GetVersion", NULL);
	if (!get_version || !dynsym_find(&tables, "PyGILState_GetThisThreadState", NULL) ||
	    atomic_exchange(&finding.taken, true))
		return;
	const uint32_t *hex = (const uint32_t *)dynsym_find(&tables, "Py_Version", NULL);
	const char *text = get_version();
	python = (struct python){.map = map, .version_hex = hex ? *hex : version_hex(text)};
	const char *copy = meta_copy(text);
	python.version_text = copy ? copy : "";
	finding.late = finding.started;
	bool found = find_symbols(&tables);
	const char *why = python_choose_version(python.version_hex, &python.layout);
	if (!why)
		why = found ? choose_layout(&tables) : "Python frames are not recorded: this CPython hides its symbols";
	if (why)
		python_off(why);
	else
		state_found(PYTHON_UNTRIED);
}

bool python_look_at(const struct link_map *map)
{
	look(map);
	return python.map == map;
}

void python_look(void)
{
	for (const struct link_map *map = _r_debug.r_map; map; map = map->l_next)
		look(map);
	finding.started = true;
}

bool python_close_begin(void)
{
	uint32_t bare = atomic_load(&python_state) % PYTHON_PAUSED;
	if (!finding.late || bare == PYTHON_NONE || bare == PYTHON_GONE)
		return false;
	atomic_fetch_add(&python_state, PYTHON_PAUSED);
	return true;
}

static void unpause(void)
{
	uint32_t state = atomic_load(&python_state);
	/* Not below 0: a library's destructor may fork. */
	while (state >= PYTHON_PAUSED && !atomic_compare_exchange_weak(&python_state, &state, state - PYTHON_PAUSED))
		;
}

/* The first caller to notice the unload marks it. Its code cannot run again, and its addresses may be reused. */
void python_close_end(void)
{
	uint32_t state = atomic_load(&python_state), bare;
	bool gone = python.runtime && !modules_holds(python.map, python.runtime);
	if (gone) {
		python.get_allocator = NULL;
		python.print_malloc_stats = NULL;
	}
	do {
		bare = state % PYTHON_PAUSED;
		if (!gone || bare == PYTHON_GONE || bare == PYTHON_OFF) {
			unpause();
			return;
		}
	} while (!atomic_compare_exchange_weak(&python_state, &state, state - bare + PYTHON_GONE));
	python_forget_code();
	unpause();
	atomic_store(&finding.taken, false);
}

void python_fork_child(void)
{
	atomic_fetch_and(&python_state, PYTHON_PAUSED - 1);
}

/* Not said of an interpreter that was off from the start. */
void python_off(const char *why)
{
	const char *none = NULL;
	uint32_t state = atomic_load(&python_state);
	atomic_compare_exchange_strong(&reason, &none, why);
	while (!atomic_compare_exchange_weak(&python_state, &state, state - state % PYTHON_PAUSED + PYTHON_OFF))
		;
}

const char *python_reason(void)
{
	return atomic_load(&reason);
}

void python_ready(void)
{
	uint32_t untried = PYTHON_UNTRIED;
	atomic_compare_exchange_strong(&python_state, &untried, PYTHON_READY);
	atomic_store(&finding.ready, true);
}

bool python_has_been_ready(void)
{
	return atomic_load(&finding.ready) && atomic_load(&python_state) % PYTHON_PAUSED != PYTHON_OFF;
}

uintptr_t python_exported(const char *name)
{
	struct dynsym tables;
	return dynsym_open(&tables, python.map) ? dynsym_find(&tables, name, NULL) : 0;
}
