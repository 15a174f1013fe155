/* The table of what differs between CPython's versions; versions.h has what it means and where it comes from. */
#include "preload/python/versions.h"

#include "preload/interface/snapshot_format.h"

#include <stddef.h>

/* A release's hexadecimal version, as Py_Version has it. */
#define HEX_MAJOR(hex) ((hex) >> 24)
#define HEX_MINOR(hex) ((hex) >> 16 & 0xff)

/* Short words for the table. */
#define EACH_FRAME ENTRIES_EACH_FRAME
#define FLAGGED ENTRIES_FLAGGED
#define SHIMS ENTRIES_SHIMS
#define LNOTAB LINES_LNOTAB
#define LINETABLE LINES_LINETABLE
#define LOCATIONS LINES_LOCATIONS
#define DICT TYPE_MANAGED_DICT
#define BOTH (TYPE_MANAGED_DICT | TYPE_MANAGED_WEAKREF)

/* clang-format off */
#define PYTHON_VERSIONS(F)                                                                                          \
	/*                             3.8        3.9        3.10       3.11       3.12       3.13       3.14 */   \
	/* How the evaluation loop's calls are distinguished */                                                       \
	F(entries,                   EACH_FRAME,EACH_FRAME,EACH_FRAME,FLAGGED,   SHIMS,     SHIMS,     SHIMS)      \
	/* PyThreadState */                                                                                        \
	F(tstate_interp,             16,        16,        16,        16,        16,        16,        16)         \
	F(tstate_thread_id,          176,       176,       176,       152,       136,       152,       152)        \
	F(tstate_frame,              24,        24,        24,        0,         0,         72,        72)         \
	F(tstate_cframe,             0,         0,         48,        56,        56,        0,         0)          \
	F(cframe_frame,              0,         0,         0,         8,         0,         0,         0)          \
	F(cframe_previous,           0,         0,         8,         16,        8,         0,         0)          \
	F(frame_by_cframe,           0,         0,         0,         1,         1,         0,         0)          \
	/* frame */                                                                                                \
	F(frame_back,                24,        24,        24,        48,        8,         8,         8)          \
	F(frame_code,                32,        32,        32,        32,        0,         0,         0)          \
	F(frame_instr,               104,       104,       96,        56,        56,        56,        56)         \
	F(frame_owner,               0,         0,         0,         69,        70,        70,        74)         \
	F(frame_is_entry,            0,         0,         0,         68,        0,         0,         0)          \
	F(instr_is_index,            1,         1,         1,         0,         0,         0,         0)          \
	F(index_scale,               1,         1,         2,         0,         0,         0,         0)          \
	F(code_tag_mask,             0,         0,         0,         0,         0,         0,         3)          \
	/* code */                                                                                                 \
	F(code_filename,             104,       104,       104,       112,       112,       112,       112)        \
	F(code_name,                 112,       112,       112,       128,       128,       128,       128)        \
	F(code_firstlineno,          40,        40,        40,        72,        68,        68,        68)         \
	F(code_lines,                120,       120,       120,       136,       136,       136,       136)        \
	F(code_instructions,         0,         0,         0,         184,       192,       200,       208)        \
	F(lines_format,              LNOTAB,    LNOTAB,    LINETABLE, LOCATIONS, LOCATIONS, LOCATIONS, LOCATIONS)  \
	/* _PyRuntime */                                                                                           \
	F(runtime_finalizing,        16,        16,        16,        24,        24,        608,       608)        \
	F(runtime_tstate,            1368,      568,       568,       576,       0,         0,         0)          \
	F(debug_interpreter_members, 0,         0,         0,         0,         0,         13,        16)         \
	F(debug_frame_members,       0,         0,         0,         0,         0,         6,         8)          \
	/* str, and reference counts */                                                                            \
	F(ascii_data,                48,        48,        48,        48,        40,        40,        40)         \
	F(compact_data,              72,        72,        72,        72,        56,        56,        56)         \
	F(immortal_refs,             0,         0,         0,         0,         1,         1,         1)          \
	/* Objects; without `objects` the rest is not known, and not read */                                       \
	F(objects,                   1,         1,         1,         1,         1,         1,         0)          \
	F(gc_in_interp,              0,         640,       640,       672,       136,       7424,      0)          \
	F(gc_in_runtime,             368,       0,         0,         0,         0,         0,         0)          \
	F(threads_head,              8,         8,         8,         16,        72,        7344,      0)          \
	F(tstate_dict,               152,       152,       152,       128,       112,       128,       0)          \
	F(tstate_context,            240,       240,       240,       224,       208,       208,       0)          \
	F(frame_locals,              360,       360,       352,       72,        72,        72,        0)          \
	F(frame_object_frame,        0,         0,         0,         24,        24,        24,        0)          \
	F(code_names,                0,         0,         0,         96,        96,        96,        0)          \
	F(code_stack_size,           32,        32,        32,        68,        64,        64,        0)          \
	F(function_code,             16,        16,        48,        48,        48,        48,        0)          \
	F(function_closure,          48,        48,        72,        72,        72,        72,        0)          \
	F(function_qualname,         104,       104,       40,        40,        40,        40,        0)          \
	F(generator_name,            56,        56,        48,        40,        32,        32,        0)          \
	F(generator_frame,           0,         0,         0,         80,        72,        72,        0)          \
	F(managed_flags,             0,         0,         0,         DICT,      BOTH,      BOTH,      0)          \
	F(int_sign_bits,             0,         0,         0,         0,         3,         3,         0)          \
	F(cached_keys,               0,         0,         0,         872,       880,       880,       0)          \
	F(values_before,             0,         0,         0,         32,        24,        0,         0)          \
	F(values_marked,             0,         0,         0,         0,         1,         0,         0)          \
	F(values_inline,             0,         0,         0,         0,         0,         1,         0)          \
	F(dict_values_array,         0,         0,         0,         0,         0,         8,         0)          \
	F(dict_keys_by_log2,         0,         0,         0,         1,         1,         1,         0)

#define V8(name, v8, v9, v10, v11, v12, v13, v14)  .name = (v8),
#define V9(name, v8, v9, v10, v11, v12, v13, v14)  .name = (v9),
#define V10(name, v8, v9, v10, v11, v12, v13, v14) .name = (v10),
#define V11(name, v8, v9, v10, v11, v12, v13, v14) .name = (v11),
#define V12(name, v8, v9, v10, v11, v12, v13, v14) .name = (v12),
#define V13(name, v8, v9, v10, v11, v12, v13, v14) .name = (v13),
#define V14(name, v8, v9, v10, v11, v12, v13, v14) .name = (v14),

static const struct python_layout versions[] = {
	{.version = 8, PYTHON_VERSIONS(V8)},
	{.version = 9, PYTHON_VERSIONS(V9)},
	{.version = 10, PYTHON_VERSIONS(V10)},
	{.version = 11, PYTHON_VERSIONS(V11)},
	{.version = 12, PYTHON_VERSIONS(V12)},
	{.version = 13, PYTHON_VERSIONS(V13)},
	{.version = 14, PYTHON_VERSIONS(V14)},
};
/* clang-format on */

enum { VERSIONS = sizeof versions / sizeof versions[0] };

bool python_layout_of(uint32_t minor, struct python_layout *layout)
{
	for (unsigned i = 0; i < VERSIONS; i++) {
		if (versions[i].version == minor) {
			*layout = versions[i];
			return true;
		}
	}
	return false;
}

const char *python_choose_version(uint32_t hex, struct python_layout *layout)
{
	uint32_t major = HEX_MAJOR(hex), minor = HEX_MINOR(hex);
	if (major == 0)
		return "Python frames are not recorded: this CPython's version is not known";
	if (major < 3 || (major == 3 && minor < versions[0].version))
		return "Python frames are not recorded: this CPython is older than 3.8, the first version that Mudlark knows";
	if (major > 3 || !python_layout_of(minor, layout))
		return "Python frames are not recorded: this CPython is newer than 3.14, the last version that this Mudlark "
		       "knows; native stacks are complete";
	return NULL;
}
