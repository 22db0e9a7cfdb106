/* ---- Recorder ---- */

static PyObject *recorder_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    Recorder *self = (Recorder *)PyType_GenericAlloc(type, 0);
    if (!self) return NULL;
    self->generation = ++last_generation;
    self->threads = PyDict_New();
    if (!self->threads) Py_CLEAR(self);
    return (PyObject *)self;
}

static int recorder_init(Recorder *self, PyObject *args, PyObject *keywords) {
    int enabled, cpu_mask;
    PyObject *clock, *cpu_clock;
    if (!PyArg_ParseTuple(args, "piOO", &enabled, &cpu_mask, &clock, &cpu_clock)) return -1;
    PyObject *time = PyImport_ImportModule("time");
    PyObject *wall = time ? PyObject_GetAttrString(time, "perf_counter_ns") : NULL;
    PyObject *cpu = time ? PyObject_GetAttrString(time, "thread_time_ns") : NULL;
    Py_XDECREF(time);
    if (wall && cpu) {
        self->enabled = (char)enabled;
        self->cpu_mask = cpu_mask;
        /* The standard clocks are read without a call. */
        Py_XDECREF(self->clock);
        Py_XDECREF(self->cpu_clock);
        self->clock = clock == wall ? NULL : Py_NewRef(clock);
        self->cpu_clock = cpu_clock == cpu ? NULL : Py_NewRef(cpu_clock);
    }
    Py_XDECREF(wall);
    Py_XDECREF(cpu);
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *recorder_operation(Recorder *self, PyObject *const *arguments, Py_ssize_t count, PyObject *names) {
    PyObject *name = count > 0 ? arguments[0] : NULL, *labels = count > 1 ? arguments[1] : Py_None;
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    if (count > 2) return PyErr_Format(PyExc_TypeError, "operation() takes a name and labels, %zd were given", count);
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *argument = PyTuple_GetItem(names, i);
        if (!PyUnicode_CompareWithASCIIString(argument, "labels")) labels = arguments[count + i];
        else if (!name && (!PyUnicode_CompareWithASCIIString(argument, "operation_name") ||
                           !PyUnicode_CompareWithASCIIString(argument, "name"))) name = arguments[count + i];
        else return PyErr_Format(PyExc_TypeError, "operation() got an unexpected keyword argument %R", argument);
    }
    if (!name) return PyErr_Format(PyExc_TypeError, "operation() needs a name");
    if (!self->enabled) return Py_NewRef(null_execution);
    if (labels == Py_None && PyUnicode_CheckExact(name) && PyUnicode_GetLength(name) <= MAX_NAME_LENGTH)
        return (PyObject *)new_execution(self, name);
    PyObject *key = PyObject_CallMethodObjArgs((PyObject *)self, str_key, name, labels, NULL);
    PyObject *execution = key && key != Py_None ? (PyObject *)new_execution(self, key) : NULL;
    Py_XDECREF(key);
    clear_fault();
    return execution ? execution : Py_NewRef(null_execution);
}

static PyObject *recorder_cell(Recorder *self, PyObject *key) {
    Thread *thread = thread_here();
    return thread ? (PyObject *)find_cell(self, thread, key) : PyErr_NoMemory();
}

/* Threads look their cells up anew. Executions that run go on with the old ones, which nobody reads. */
static PyObject *recorder_forget_threads(Recorder *self, PyObject *unused) {
    PyObject *threads = PyDict_New(), *before, *serial, *entry, *key, *cell;
    if (!threads) return NULL;
    Py_ssize_t place = 0;
    /* First of all: what is let go may record. */
    before = self->threads;
    self->threads = threads;
    self->generation = ++last_generation;
    while (before && PyDict_Next(before, &place, &serial, &entry)) {
        Py_ssize_t inner = 0;
        while (PyDict_Next(PyTuple_GetItem(entry, 1), &inner, &key, &cell)) {
            PyObject *done = cell_detach((Cell *)cell, NULL);
            if (!done) PyErr_Clear();
            Py_XDECREF(done);
        }
    }
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *recorder_cells_of_threads(Recorder *self, PyObject *unused) {
    PyObject *found = PyList_New(0), *serial, *entry;
    Py_ssize_t place = 0;
    while (found && self->threads && PyDict_Next(self->threads, &place, &serial, &entry))
        if (PyList_Append(found, PyTuple_GetItem(entry, 1)) < 0) Py_CLEAR(found);
    return found;
}

/* Ended: its id is not running, or a later thread has it. */
static PyObject *recorder_take_ended_threads(Recorder *self, PyObject *running) {
    PyObject *kept = PyDict_New(), *ended = PyList_New(0), *newest = PyDict_New(), *serial, *entry;
    Py_ssize_t place = 0;
    if (!kept || !ended || !newest) goto failed;
    /* Dicts keep the order of insertion, so the last of an id is the newest. */
    while (PyDict_Next(self->threads, &place, &serial, &entry))
        if (PyDict_SetItem(newest, PyTuple_GetItem(entry, 0), serial) < 0) goto failed;
    place = 0;
    while (PyDict_Next(self->threads, &place, &serial, &entry)) {
        PyObject *id = PyTuple_GetItem(entry, 0);
        int runs = PySequence_Contains(running, id);
        if (runs < 0) goto failed;
        if (runs && PyDict_GetItemWithError(newest, id) == serial) {
            if (PyDict_SetItem(kept, serial, entry) < 0) goto failed;
        } else if (PyList_Append(ended, PyTuple_GetItem(entry, 1)) < 0) {
            goto failed;
        }
    }
    if (PyList_Size(ended)) {
        PyObject *before = self->threads;
        self->threads = Py_NewRef(kept);
        self->generation = ++last_generation;
        Py_DECREF(before);
    }
    Py_DECREF(kept);
    Py_DECREF(newest);
    return ended;
failed:
    Py_XDECREF(kept);
    Py_XDECREF(newest);
    Py_XDECREF(ended);
    return NULL;
}

static int recorder_traverse(Recorder *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->clock);
    Py_VISIT(self->cpu_clock);
    Py_VISIT(self->threads);
    return 0;
}

static int recorder_clear(Recorder *self) {
    Py_CLEAR(self->clock);
    Py_CLEAR(self->cpu_clock);
    return 0;
}

static void recorder_dealloc(Recorder *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    recorder_clear(self);
    Py_CLEAR(self->threads);
    freefunc release = PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyMethodDef recorder_methods[] = {
    {"operation", (PyCFunction)(void (*)(void))recorder_operation, METH_FASTCALL | METH_KEYWORDS,
     "A context manager that records its body under a name; never raises."},
    {"cell", (PyCFunction)recorder_cell, METH_O, "The calling thread's cell of an operation."},
    {"forget_threads", (PyCFunction)recorder_forget_threads, METH_NOARGS, "Drop every cell."},
    {"cells_of_threads", (PyCFunction)recorder_cells_of_threads, METH_NOARGS, "What every thread has recorded."},
    {"take_ended_threads", (PyCFunction)recorder_take_ended_threads, METH_O,
     "Remove and return the cells of threads that ended; their ids may be in use again."},
    {NULL},
};
static PyMemberDef recorder_members[] = {
    {"enabled", T_BOOL, offsetof(Recorder, enabled), 0, NULL},
    {"cpu_mask", T_INT, offsetof(Recorder, cpu_mask), 0, NULL},
    {NULL},
};
static PyType_Slot recorder_slots[] = {
    {Py_tp_doc, "Cells by thread, and the executions that write them."},
    {Py_tp_new, recorder_new},
    {Py_tp_init, recorder_init},
    {Py_tp_dealloc, recorder_dealloc},
    {Py_tp_traverse, recorder_traverse},
    {Py_tp_clear, recorder_clear},
    {Py_tp_methods, recorder_methods},
    {Py_tp_members, recorder_members},
    {0, NULL},
};
static PyType_Spec recorder_spec = {"genesis_performance.operations._core.RecorderCore", sizeof(Recorder), 0,
                                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, recorder_slots};
