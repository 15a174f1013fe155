/*
 * The demonstration's extension module for Python: sessions of a service, each with a token. close() forgets the token
 * of a session that had expired, so every expired session leaves TOKEN_BYTES behind.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "mudlark.h"

#include <stdlib.h>
#include <string.h>

enum { TOKEN_BYTES = 1000 };

struct session {
	char *token;
	char user[64];
};

__attribute__((noinline)) static char *make_token(const char *user)
{
	char *token = malloc(TOKEN_BYTES); /* the line that the demonstration must name */
	if (token)
		memset(token, user[0], TOKEN_BYTES);
	return token;
}

static void session_free(PyObject *capsule)
{
	struct session *session = PyCapsule_GetPointer(capsule, "session");
	free(session);
}

static PyObject *session_open(PyObject *module, PyObject *args)
{
	const char *user;
	(void)module;
	if (!PyArg_ParseTuple(args, "s", &user))
		return NULL;
	struct session *session = calloc(1, sizeof(*session));
	if (!session)
		return PyErr_NoMemory();
	strncpy(session->user, user, sizeof(session->user) - 1);
	session->token = make_token(user);
	return PyCapsule_New(session, "session", session_free);
}

static PyObject *session_close(PyObject *module, PyObject *args)
{
	PyObject *capsule;
	int expired;
	(void)module;
	if (!PyArg_ParseTuple(args, "Op", &capsule, &expired))
		return NULL;
	struct session *session = PyCapsule_GetPointer(capsule, "session");
	if (!session)
		return NULL;
	if (!expired) {
		free(session->token);
		session->token = NULL;
	}
	Py_RETURN_NONE;
}

/* Asks for a snapshot; without Mudlark it does nothing. */
static PyObject *mark(PyObject *module, PyObject *args)
{
	const char *label;
	(void)module;
	if (!PyArg_ParseTuple(args, "s", &label))
		return NULL;
	MUDLARK(snapshot(label));
	Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
	{"open", session_open, METH_VARARGS, "A new session of a user."},
	{"close", session_close, METH_VARARGS, "Ends a session; tells whether it had expired."},
	{"mark", mark, METH_VARARGS, "A snapshot with a label."},
	{NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
	PyModuleDef_HEAD_INIT, .m_name = "leaky_extension", .m_doc = "Sessions.", .m_size = -1, .m_methods = methods,
};

PyMODINIT_FUNC PyInit_leaky_extension(void);
PyMODINIT_FUNC PyInit_leaky_extension(void)
{
	return PyModule_Create(&definition);
}
