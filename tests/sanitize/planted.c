/* Bugs on purpose, to see that the sanitizers and the fuzzer see: built with the flags of the
 * extension module, and by nothing but `make sanitize` and `make fuzz`. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <string.h>

static PyObject *
overread(PyObject *self, PyObject *payload)
{
    const volatile char *bytes = PyBytes_AS_STRING(payload);
    (void)self;
    return PyLong_FromLong(bytes[PyBytes_GET_SIZE(payload) + 1]);
}

static PyObject *
overflow(PyObject *self, PyObject *number)
{
    volatile int value = (int)PyLong_AsLong(number);
    (void)self;
    return PyLong_FromLong(value + 1);
}

static PyObject *
leak(PyObject *self, PyObject *size)
{
    (void)self;
    (void)PyBytes_FromStringAndSize(NULL, PyLong_AsSsize_t(size));
    Py_RETURN_NONE;
}

/* The bug of overread(), behind bytes that no blind search comes upon. */
static PyObject *
magic(PyObject *self, PyObject *payload)
{
    const char *bytes = PyBytes_AS_STRING(payload);
    Py_ssize_t size = PyBytes_GET_SIZE(payload);
    if (size >= 4 && bytes[0] == 'P' && bytes[1] == 'W' && bytes[2] == '\xc7' && bytes[3] == 1)
        return overread(self, payload);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"overread", overread, METH_O, "Read one byte behind a bytes object and its final NUL."},
    {"overflow", overflow, METH_O, "Add 1 to a C int."},
    {"leak", leak, METH_O, "Lose a bytes object of that size."},
    {"magic", magic, METH_O, "Overread when the bytes begin with PW C7 01."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "planted", .m_size = 0, .m_methods = methods};

PyMODINIT_FUNC
PyInit_planted(void)
{
    return PyModule_Create(&module);
}
