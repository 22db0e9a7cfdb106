/* ---- Cell ---- */

static int64_t *handed_out(PyObject *buffer, Py_buffer *view, int words) {
    if (!buffer || PyObject_GetBuffer(buffer, view, PyBUF_WRITABLE | PyBUF_SIMPLE) < 0) return NULL;
    if (view->len < (Py_ssize_t)(words * sizeof(int64_t)) || (uintptr_t)view->buf % sizeof(int64_t)) {
        PyErr_Format(PyExc_ValueError, "a buffer of %zd bytes was handed out; %d aligned to 8 are needed", view->len,
                     words * (int)sizeof(int64_t));
        PyBuffer_Release(view);
        view->obj = NULL;
        return NULL;
    }
    return view->buf;
}

static PyObject *cell_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *memory, *name, *labels;
    if (!PyArg_ParseTuple(args, "OOO:Cell", &memory, &name, &labels)) return NULL;
    Cell *self = (Cell *)PyType_GenericAlloc(type, 0);
    if (!self) return NULL;
    self->name = Py_NewRef(name);
    /* Executions tell what is nested in them by the name's address. */
    if (PyUnicode_CheckExact(name)) PyUnicode_InternInPlace(&self->name);
    self->suspendable = -1;
    if (memory == Py_None) {
        self->words = PyMem_Calloc(COUNTER_WORDS, sizeof(int64_t));
        if (!self->words) PyErr_NoMemory();
    } else {
        self->memory = Py_NewRef(memory);
        self->buffers = PyMem_Calloc(OCTAVES + 1, sizeof(Py_buffer));
        self->counters = PyObject_CallMethodObjArgs(memory, str_counters, name, labels, NULL);
        if (self->buffers) self->words = handed_out(self->counters, &self->buffers[OCTAVES], COUNTER_WORDS);
        else PyErr_NoMemory();
    }
    if (!self->words) {
        Py_DECREF(self);
        return NULL;
    }
    self->words[MIN_NS] = INT64_MAX;
    return (PyObject *)self;
}

static void cell_dealloc(Cell *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    for (int i = 0; i < OCTAVES; i++) {
        if (self->buffers && self->buffers[i].obj) PyBuffer_Release(&self->buffers[i]);
        else PyMem_Free(self->octaves[i]);
    }
    if (self->buffers && self->buffers[OCTAVES].obj) PyBuffer_Release(&self->buffers[OCTAVES]);
    else if (!self->memory) PyMem_Free(self->words);
    PyMem_Free(self->buffers);
    Py_XDECREF(self->name);
    Py_XDECREF(self->error_types);
    Py_XDECREF(self->memory);
    Py_XDECREF(self->counters);
    Py_XDECREF(self->code);
    freefunc release = PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Buckets for durations that did not occur before. Memory that is full or broken is no reason to lose them. */
static int64_t *new_octave(Cell *self, int number) {
    int64_t *octave = NULL;
    if (self->memory) {
        PyObject *index = PyLong_FromLong(number);
        PyObject *buffer = index ? PyObject_CallMethodObjArgs(self->memory, str_octave, self->counters, index, NULL)
                                 : NULL;
        octave = handed_out(buffer, &self->buffers[number], OCTAVE_WORDS);
        Py_XDECREF(index);
        Py_XDECREF(buffer);
        clear_fault();
    }
    if (!octave) octave = PyMem_Calloc(OCTAVE_WORDS, sizeof(int64_t));
    return self->octaves[number] = octave;
}

static inline void compiler_barrier(void) { __atomic_signal_fence(__ATOMIC_SEQ_CST); }

/* Count one execution that ended; cpu < 0: its CPU time was not read. */
static inline void record(Cell *self, int64_t duration, int64_t cpu, int failed) {
    /* A clock that went backwards must not leave a negative duration in the sums. */
    if (duration < 0) duration = 0;
    /* As stats.histogram.bucket_index: 32 linear sub-buckets in each octave. */
    int shift = duration < 32 ? -1 : 58 - __builtin_clzll((unsigned long long)duration);
    int64_t index = shift < 0 ? duration : ((int64_t)shift << 5) + (duration >> shift);
    int64_t *octave = self->octaves[index >> 5];
    if (!octave && !(octave = new_octave(self, (int)(index >> 5)))) return;
    int64_t *words = self->words;
    words[SEQUENCE]++;
    compiler_barrier();
    words[SUM_NS] += duration;
    if (duration < words[MIN_NS]) words[MIN_NS] = duration;
    if (duration > words[MAX_NS]) words[MAX_NS] = duration;
    octave[index & 31]++;
    if (cpu >= 0) {
        words[CPU_NS] += cpu;
        words[CPU_SAMPLES]++;
    }
    words[ERRORS] += failed;
    compiler_barrier();
    words[SEQUENCE]++;
}

static PyObject *cell_counters(Cell *self, PyObject *unused) {
    PyObject *values = PyTuple_New(COUNTER_WORDS);
    for (int i = 0; values && i < COUNTER_WORDS; i++) {
        PyObject *value = PyLong_FromLongLong(self->words[i]);
        if (!value || PyTuple_SetItem(values, i, value) < 0) Py_CLEAR(values);
    }
    return values;
}

static PyObject *cell_buckets(Cell *self, PyObject *unused) {
    PyObject *buckets = PyDict_New();
    for (int number = 0; buckets && number < OCTAVES; number++) {
        for (int place = 0; self->octaves[number] && place < OCTAVE_WORDS; place++) {
            if (!self->octaves[number][place]) continue;
            PyObject *index = PyLong_FromLong(number * OCTAVE_WORDS + place);
            PyObject *count = PyLong_FromLongLong(self->octaves[number][place]);
            int failed = !index || !count || PyDict_SetItem(buckets, index, count) < 0;
            Py_XDECREF(index);
            Py_XDECREF(count);
            if (failed) {
                Py_DECREF(buckets);
                return NULL;
            }
        }
    }
    return buckets;
}

/* In the child of a fork the memory is the parent's: go on in a copy of one's own. */
static PyObject *cell_detach(Cell *self, PyObject *unused) {
    if (!self->memory) Py_RETURN_NONE;
    int64_t *words = PyMem_Calloc(COUNTER_WORDS, sizeof(int64_t));
    if (!words) return PyErr_NoMemory();
    memcpy(words, self->words, COUNTER_WORDS * sizeof(int64_t));
    for (int i = 0; i < OCTAVES; i++) {
        if (!self->buffers[i].obj) continue;
        int64_t *octave = PyMem_Calloc(OCTAVE_WORDS, sizeof(int64_t));
        if (octave) memcpy(octave, self->octaves[i], OCTAVE_WORDS * sizeof(int64_t));
        self->octaves[i] = octave;
        PyBuffer_Release(&self->buffers[i]);
        self->buffers[i].obj = NULL;
    }
    if (self->buffers[OCTAVES].obj) PyBuffer_Release(&self->buffers[OCTAVES]);
    PyMem_Free(self->buffers);
    self->buffers = NULL;
    self->words = words;
    Py_CLEAR(self->memory);
    Py_CLEAR(self->counters);
    Py_RETURN_NONE;
}

static PyMethodDef cell_methods[] = {
    {"detach", (PyCFunction)cell_detach, METH_NOARGS, "Write the memory that was handed out no more."},
    {"counters", (PyCFunction)cell_counters, METH_NOARGS, "The words that ``memory`` names."},
    {"buckets", (PyCFunction)cell_buckets, METH_NOARGS, "Bucket index to number of executions."},
    {NULL},
};
static PyMemberDef cell_members[] = {
    {"name", T_OBJECT_EX, offsetof(Cell, name), READONLY, NULL},
    {"error_types", T_OBJECT, offsetof(Cell, error_types), 0, NULL},
    {NULL},
};
static PyType_Slot cell_slots[] = {
    {Py_tp_doc, "What one thread recorded of one operation; only that thread writes it."},
    {Py_tp_new, cell_new},
    {Py_tp_dealloc, cell_dealloc},
    {Py_tp_methods, cell_methods},
    {Py_tp_members, cell_members},
    {0, NULL},
};
static PyType_Spec cell_spec = {"genesis_performance.operations._core.Cell", sizeof(Cell), 0, Py_TPFLAGS_DEFAULT,
                                cell_slots};
