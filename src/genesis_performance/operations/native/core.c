#include "core.h"

#include "threads.h"

#include "cell.h"

#include "execution.h"

#include "stepped.h"

#include "recorder.h"

/* ---- the module ---- */

static PyObject *core_coroutine_function(PyObject *module, PyObject *args) {
    return decorate(args, 1);
}

static PyObject *core_plain_function(PyObject *module, PyObject *args) {
    return decorate(args, 0);
}

static PyObject *core_current_execution(PyObject *module, PyObject *unused) {
    Thread *thread = thread_here();
    Execution *found = thread ? current_execution(thread) : NULL;
    return found ? (PyObject *)found : Py_NewRef(Py_None);
}

static PyObject *core_noting_execution(PyObject *module, PyObject *unused) {
    inherit = 1;
    return core_current_execution(module, unused);
}

static PyObject *core_set_tracking(PyObject *module, PyObject *value) {
    tracking = PyObject_IsTrue(value) > 0;
    Py_RETURN_NONE;
}

static PyObject *core_thread_operation(PyObject *module, PyObject *argument) {
    unsigned long id = PyLong_AsUnsignedLong(argument);
    if (PyErr_Occurred()) return NULL;
    for (Thread *thread = all_threads; thread; thread = thread->next)
        if (thread->id == id && thread->top) return Py_NewRef(shown_name(thread->top));
    return PyUnicode_FromString("");
}

static PyMethodDef core_functions[] = {
    {"coroutine_function", core_coroutine_function, METH_VARARGS, "(recorder, name, function): decorated."},
    {"plain_function", core_plain_function, METH_VARARGS, "(recorder, name, function): decorated."},
    {"current_execution", core_current_execution, METH_NOARGS, "The innermost execution that runs, or None."},
    {"noting_execution", core_noting_execution, METH_NOARGS,
     "The same; from now on tasks see the operation that they were made in."},
    {"set_tracking", core_set_tracking, METH_O, "Whether executions enter their frames."},
    {"thread_operation", core_thread_operation, METH_O, "The operation on top of a thread's stack, or ''."},
    {NULL},
};

static int import_name(PyObject **place, const char *module, const char *name) {
    PyObject *imported = PyImport_ImportModule(module);
    *place = imported ? PyObject_GetAttrString(imported, name) : NULL;
    Py_XDECREF(imported);
    return *place ? 0 : -1;
}

static int make_type(PyObject *module, PyTypeObject **place, PyType_Spec *spec) {
    *place = (PyTypeObject *)PyType_FromSpec(spec);
    return *place ? PyModule_AddType(module, *place) : -1;
}

static int prepare(PyObject *module) {
    static int prepared;
    if (prepared) {
        /* Threads, types and the context variable are the process's: a second interpreter uses the Python twin. */
        PyErr_SetString(PyExc_ImportError, "the compiled recorder serves one interpreter of a process");
        return -1;
    }
    prepared = 1;
    main_thread = PyThread_get_thread_ident();
    struct { PyObject **place; const char *text; } strings[] = {
        {&str_new_cell, "new_cell"}, {&str_key, "key"}, {&str_count_error, "count_error"},
        {&str_count_failure, "count_failure"}, {&str_fold_calls, "fold_calls"}, {&str_fold_call, "fold_call"},
        {&str_co_flags, "co_flags"}, {&str_co_name, "co_name"}, {&str_f_back, "f_back"}, {&str_counters, "counters"}, {&str_octave, "octave"},
        {&str_qualname, "__qualname__"}, {&str_throw, "throw"}, {&str_close, "close"},
        {&str_operation, "operation"}, {&str_cr_frame, "cr_frame"}, {&str_gi_frame, "gi_frame"},
        {&str_setdefault, "setdefault"}, {&str_await, "__await__"}, {&str_send, "send"},
    };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        if (!(*strings[i].place = PyUnicode_InternFromString(strings[i].text))) return -1;
    PyObject *current;
#define OURS "genesis_performance.operations."
    if (import_name(&current, OURS "current", "current") < 0 || import_name(&tally_type, OURS "current", "Tally") < 0 ||
        import_name(&call_site, OURS "current", "call_site") < 0 ||
        import_name(&open_frames, OURS "tracking", "open_frames") < 0 ||
        import_name(&null_execution, OURS "execution", "NULL") < 0 || import_name(&method_type, "types", "MethodType") < 0 ||
        import_name(&function_class, "types", "FunctionType") < 0 ||
        import_name((PyObject **)&coroutine_type, "types", "CoroutineType") < 0)
        return -1;
    context_get = PyObject_GetAttrString(current, "get");
    context_set = PyObject_GetAttrString(current, "set");
    context_reset = PyObject_GetAttrString(current, "reset");
    Py_DECREF(current);
    if (!context_get || !context_set || !context_reset) return -1;
    if (make_type(module, &cell_type, &cell_spec) < 0 || make_type(module, &execution_type, &execution_spec) < 0 ||
        make_type(module, &recorder_type, &recorder_spec) < 0 || make_type(module, &steps_type, &steps_spec) < 0 ||
        make_type(module, &function_type, &function_spec) < 0)
        return -1;
    return 0;
}

static PyModuleDef_Slot core_slots[] = {{Py_mod_exec, prepare}, {0, NULL}};
static PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT, "_core", "The recorder's fast path, compiled; core.py chooses.", 0, core_functions, core_slots,
};

PyMODINIT_FUNC PyInit__core(void) {
    return PyModuleDef_Init(&core_module);
}
