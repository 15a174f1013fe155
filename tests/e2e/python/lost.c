/* An extension that takes a reference and forgets it, or keeps it where no object is. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject *keep(PyObject *self, PyObject *object)
{
	(void)self;
	Py_INCREF(object);
	Py_RETURN_NONE;
}

static PyObject *remembered[1000];

static PyObject *remember(PyObject *self, PyObject *object)
{
	static size_t count;
	(void)self;
	Py_INCREF(object);
	remembered[count++ % (sizeof remembered / sizeof *remembered)] = object;
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"keep", keep, METH_O, NULL}, {"remember", remember, METH_O, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "lost", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_lost(void)
{
	return PyModule_Create(&module);
}
