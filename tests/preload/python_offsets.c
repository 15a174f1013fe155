/*
 * Compiled by test_python.c with the headers of an interpreter, by that interpreter's own names: prints where its
 * structs keep what preload/python/python.c has in its tables, a name and a number a line.
 */
#define Py_BUILD_CORE 1
#include <Python.h>

#include <frameobject.h>
#include <stddef.h>
#include <stdio.h>
#if PY_VERSION_HEX >= 0x030b0000
#include <internal/pycore_frame.h>
#endif
#include <internal/pycore_pystate.h>
#if PY_VERSION_HEX >= 0x03090000
#include <internal/pycore_runtime.h>
#endif

#define PRINT(name, type, member) printf(#name " %zu\n", offsetof(type, member))

static void print_frame(void)
{
#if PY_VERSION_HEX >= 0x030d0000
	PRINT(tstate_frame, PyThreadState, current_frame);
	PRINT(frame_code, _PyInterpreterFrame, f_executable);
	PRINT(frame_instr, _PyInterpreterFrame, instr_ptr);
#elif PY_VERSION_HEX >= 0x030b0000
	PRINT(tstate_cframe, PyThreadState, cframe);
	PRINT(cframe_frame, _PyCFrame, current_frame);
	PRINT(cframe_previous, _PyCFrame, previous);
	PRINT(frame_code, _PyInterpreterFrame, f_code);
	PRINT(frame_instr, _PyInterpreterFrame, prev_instr);
#else
	PRINT(tstate_frame, PyThreadState, frame);
#endif
#if PY_VERSION_HEX >= 0x030b0000
	PRINT(frame_back, _PyInterpreterFrame, previous);
	PRINT(frame_owner, _PyInterpreterFrame, owner);
	PRINT(code_instructions, PyCodeObject, co_code_adaptive);
	PRINT(code_name, PyCodeObject, co_qualname);
	PRINT(code_lines, PyCodeObject, co_linetable);
	printf("code_first_traceable_before %zu\n",
	       offsetof(PyCodeObject, co_code_adaptive) - offsetof(PyCodeObject, _co_firsttraceable));
#else
	PRINT(frame_back, PyFrameObject, f_back);
	PRINT(frame_code, PyFrameObject, f_code);
	PRINT(frame_instr, PyFrameObject, f_lasti);
	PRINT(code_name, PyCodeObject, co_name);
#endif
#if PY_VERSION_HEX >= 0x030b0000 && PY_VERSION_HEX < 0x030c0000
	PRINT(frame_is_entry, _PyInterpreterFrame, is_entry);
#endif
#if PY_VERSION_HEX >= 0x030a0000 && PY_VERSION_HEX < 0x030b0000
	PRINT(tstate_cframe, PyThreadState, cframe);
	PRINT(cframe_previous, CFrame, previous);
	PRINT(code_lines, PyCodeObject, co_linetable);
#elif PY_VERSION_HEX < 0x030a0000
	PRINT(code_lines, PyCodeObject, co_lnotab);
#endif
}

int main(void)
{
	PRINT(tstate_interp, PyThreadState, interp);
	PRINT(tstate_thread_id, PyThreadState, thread_id);
	print_frame();
	PRINT(code_filename, PyCodeObject, co_filename);
	PRINT(code_firstlineno, PyCodeObject, co_firstlineno);
#if PY_VERSION_HEX < 0x030c0000
	PRINT(runtime_tstate, struct pyruntimestate, gilstate.tstate_current);
#endif
#if PY_VERSION_HEX < 0x03090000
	PRINT(runtime_finalizing, struct pyruntimestate, finalizing);
#else
	PRINT(runtime_finalizing, struct pyruntimestate, _finalizing);
#endif
	PRINT(object_type, PyObject, ob_type);
	PRINT(object_size, PyVarObject, ob_size);
	PRINT(bytes_data, PyBytesObject, ob_sval);
	PRINT(type_dealloc, PyTypeObject, tp_dealloc);
	PRINT(type_flags, PyTypeObject, tp_flags);
	PRINT(str_length, PyASCIIObject, length);
	PRINT(str_state, PyASCIIObject, state);
	printf("ascii_data %zu\ncompact_data %zu\n", sizeof(PyASCIIObject), sizeof(PyCompactUnicodeObject));
	return 0;
}
