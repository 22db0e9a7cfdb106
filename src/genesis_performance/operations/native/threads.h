static int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* An exception that is none of ours: it came while we called into Python, and is raised again once the host's
   code goes on. */
static RARE int raise_again(void *error) {
    PyErr_SetObject((PyObject *)Py_TYPE((PyObject *)error), error);
    Py_DECREF((PyObject *)error);
    return -1;
}

static RARE void clear_fault(void) {
    if (!PyErr_Occurred()) return;
    PyObject *kind, *error, *traceback;
    /* What a signal handler raises to end the program: KeyboardInterrupt, SystemExit. */
    int faulty = PyErr_ExceptionMatches(PyExc_Exception);
    PyErr_Fetch(&kind, &error, &traceback);
    if (!faulty) {
        PyErr_NormalizeException(&kind, &error, &traceback);
        if (PyThread_get_thread_ident() != main_thread) {
            PyThreadState_SetAsyncExc(PyThread_get_thread_ident(), kind);
        } else if (error && Py_AddPendingCall(raise_again, error) == 0) {
            error = NULL; /* the call has it now */
        }
    }
    Py_XDECREF(kind);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
}

static int64_t called_clock(PyObject *clock) {
    PyObject *value = PyObject_CallNoArgs(clock);
    int64_t ns = value ? PyLong_AsLongLong(value) : 0;
    Py_XDECREF(value);
    clear_fault();
    return ns;
}

static inline int64_t wall_ns(Recorder *self) {
    return self->clock ? called_clock(self->clock) : nanoseconds(CLOCK_MONOTONIC);
}

static inline int64_t cpu_ns(Recorder *self) {
    return self->cpu_clock ? called_clock(self->cpu_clock) : nanoseconds(CLOCK_THREAD_CPUTIME_ID);
}

/* ---- faults of our own ---- */

static RARE void count_failure(Recorder *recorder, const char *message) {
    clear_fault();
    PyObject *text = PyUnicode_FromString(message);
    PyObject *done = text ? PyObject_CallMethodObjArgs((PyObject *)recorder, str_count_failure, text, NULL) : NULL;
    Py_XDECREF(text);
    Py_XDECREF(done);
    clear_fault();
}

/* ---- threads ---- */

static RARE Thread *find_thread(void) {
    unsigned long id = PyThread_get_thread_ident();
    Thread *thread = all_threads;
    while (thread && thread->id != id) thread = thread->next;
    if (thread) {
        /* Another thread had this id and is gone, with whatever it left open. */
        while (thread->top) {
            Execution *top = thread->top;
            thread->top = top->below;
            top->below = NULL;
            top->at = NULL;
            Py_DECREF((PyObject *)top);
        }
    } else {
        thread = PyMem_Calloc(1, sizeof *thread);
        if (!thread) return NULL;
        thread->id = id;
        thread->next = all_threads;
        all_threads = thread;
    }
    for (int i = 0; i < RECORDERS_OF_THREAD; i++) thread->recent[i].generation = 0;
    thread->serial = ++last_thread;
    return this_thread = thread;
}

static inline Thread *thread_here(void) {
    return this_thread ? this_thread : find_thread();
}

/* This thread's cells of a recorder: borrowed. NULL with no exception set only on lack of memory. */
static RARE PyObject *find_cells(Recorder *self, Thread *thread) {
    PyObject *serial = PyLong_FromUnsignedLongLong(thread->serial);
    if (!serial) return NULL;
    PyObject *entry = PyDict_GetItemWithError(self->threads, serial), *cells = NULL;
    if (entry) {
        cells = PyTuple_GetItem(entry, 1);
    } else if (!PyErr_Occurred()) {
        /* The garbage collector may run here, and record: whoever is first enters the cells. */
        entry = Py_BuildValue("kN", thread->id, PyDict_New());
        PyObject *entered = entry ? PyObject_CallMethodObjArgs(self->threads, str_setdefault, serial, entry, NULL) : NULL;
        if (entered) cells = PyTuple_GetItem(entered, 1);
        Py_XDECREF(entry);
        Py_XDECREF(entered);
        PyObject *modules = PySys_GetObject("modules");
        PyObject *greenlet = modules ? PyUnicode_FromString("greenlet") : NULL;
        if (greenlet && PyDict_GetItemWithError(modules, greenlet)) greenlets = 1;
        Py_XDECREF(greenlet);
    }
    Py_DECREF(serial);
    if (cells) {
        int place = self->generation % RECORDERS_OF_THREAD;
        thread->recent[place].generation = self->generation;
        thread->recent[place].cells = cells;
    }
    return cells;
}

static inline PyObject *cells_here(Recorder *self, Thread *thread) {
    int place = self->generation % RECORDERS_OF_THREAD;
    if (thread->recent[place].generation == self->generation) return thread->recent[place].cells;
    return find_cells(self, thread);
}

/* The cell that this thread writes: a new reference, or NULL with an exception. */
static Cell *find_cell(Recorder *self, Thread *thread, PyObject *key) {
    PyObject *cells = cells_here(self, thread);
    if (!cells) return NULL;
    PyObject *cell = PyDict_GetItemWithError(cells, key);
    if (cell) {
        Py_INCREF(cell);
    } else {
        Py_INCREF(cells);
        if (!PyErr_Occurred())
            cell = PyObject_CallMethodObjArgs((PyObject *)self, str_new_cell, cells, key, NULL);
        Py_DECREF(cells);
        if (cell && !Py_IS_TYPE(cell, cell_type)) {
            PyErr_SetString(PyExc_TypeError, "new_cell() must return a Cell");
            Py_CLEAR(cell);
        }
    }
    return (Cell *)cell;
}
