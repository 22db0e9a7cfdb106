/* The floor of timing an operation: what no C recorder can go below.
 *
 * ``null(name)`` makes a context manager of its own, as executions nest and may be suspended; entering and
 * leaving it reads the monotonic clock once each, keeps the difference in the object, and does nothing else:
 * no look-up of the name, no counters, no histogram. Heap type, full API, vector calls.
 */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>

typedef struct {
    PyObject_HEAD
    long long begin_ns;
    long long taken_ns;
} Null;

static PyTypeObject *null_type;

static long long now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000000LL + at.tv_nsec;
}

static PyObject *enter(PyObject *self, PyObject *ignored)
{
    ((Null *)self)->begin_ns = now_ns();
    return Py_NewRef(self);
}

static PyObject *leave(PyObject *self, PyObject *const *error, Py_ssize_t count)
{
    ((Null *)self)->taken_ns = now_ns() - ((Null *)self)->begin_ns;
    Py_RETURN_NONE;
}

static void release(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyObject *null(PyObject *module, PyObject *name)
{
    return (PyObject *)PyObject_New(Null, null_type);
}

static PyMethodDef null_methods[] = {
    {"__enter__", enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))leave, METH_FASTCALL, NULL},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot null_slots[] = {
    {Py_tp_methods, null_methods},
    {Py_tp_dealloc, release},
    {0, NULL},
};

static PyType_Spec null_spec = {"floor.Null", sizeof(Null), 0, Py_TPFLAGS_DEFAULT, null_slots};

static PyMethodDef functions[] = {
    {"null", null, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "floor", NULL, -1, functions, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit_floor(void)
{
    null_type = (PyTypeObject *)PyType_FromSpec(&null_spec);
    if (null_type == NULL)
        return NULL;
    return PyModule_Create(&module);
}
