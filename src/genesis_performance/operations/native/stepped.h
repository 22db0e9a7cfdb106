/* ---- Steps: a coroutine or generator, driven and timed step by step ---- */

static PyObject *new_steps(Recorder *recorder, PyObject *key, PyObject *body) {
    allocfunc allocate = PyType_GetSlot(steps_type, Py_tp_alloc);
    Steps *self = (Steps *)allocate(steps_type, 0);
    if (!self) return NULL;
    self->body = Py_NewRef(body);
    self->execution = new_execution(recorder, key);
    if (!self->execution) Py_CLEAR(self);
    return (PyObject *)self;
}

static PyObject *steps_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *recorder, *key, *body;
    if (!PyArg_ParseTuple(args, "O!OO:Steps", recorder_type, &recorder, &key, &body)) return NULL;
    return new_steps((Recorder *)recorder, key, body);
}

static void steps_begin(Steps *self, Thread *thread) {
    Execution *execution = self->execution;
    if (begin(execution, thread, find_cell(execution->recorder, thread, execution->key)) < 0) return;
    self->begun = 1;
    self->sampled = (char)cpu_is_sampled(execution);
    PyObject *frame = NULL;
    if (inherit || tracking) {
        frame = PyObject_GetAttr(self->body, str_cr_frame);
        PyErr_Clear();
        /* A task that is made within sees where it was made. A generator has no tasks of its own. */
        if (frame) enter_context(execution);
    }
    if (tracking) {
        if (!frame) frame = PyObject_GetAttr(self->body, str_gi_frame);
        PyErr_Clear();
        enter_frame(execution, frame);
    }
    Py_XDECREF(frame);
    execution->begin_ns = wall_ns(execution->recorder);
}

static void steps_end(Steps *self, PyObject *kind) {
    Execution *execution = self->execution;
    if (!self->begun || self->ended || !execution->active) return;
    self->ended = 1;
    int64_t duration = wall_ns(execution->recorder) - execution->begin_ns;
    finish(execution, duration, self->sampled ? self->cpu_ns : -1, kind);
}

/* Before and after a step. */
static int64_t step_in(Steps *self) {
    Thread *thread = thread_here();
    if (!thread) return 0;
    if (!self->begun) steps_begin(self, thread);
    push(thread, self->execution);
    return self->sampled ? cpu_ns(self->execution->recorder) : 0;
}

static void step_out(Steps *self, int64_t begin_cpu_ns, int ended) {
    if (self->sampled) self->cpu_ns += cpu_ns(self->execution->recorder) - begin_cpu_ns;
    pop(self->execution);
    if (!ended) return;
    PyObject *kind, *error, *traceback;
    PyErr_Fetch(&kind, &error, &traceback);
    int returned = !kind || PyErr_GivenExceptionMatches(kind, PyExc_StopIteration);
    steps_end(self, returned ? NULL : kind);
    PyErr_Restore(kind, error, traceback);
}

static PySendResult steps_am_send(Steps *self, PyObject *value, PyObject **result) {
    int64_t begin_cpu_ns = step_in(self);
    PySendResult sent = PyIter_Send(self->body, value, result);
    step_out(self, begin_cpu_ns, sent != PYGEN_NEXT);
    return sent;
}

static PyObject *steps_send(Steps *self, PyObject *value) {
    PyObject *result;
    PySendResult sent = steps_am_send(self, value, &result);
    if (sent == PYGEN_RETURN) {
        /* Made here: an exception or tuple as value would be taken apart otherwise. */
        PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);
        Py_DECREF(result);
        if (stop) PyErr_SetObject(PyExc_StopIteration, stop);
        Py_XDECREF(stop);
        return NULL;
    }
    return result;
}

static PyObject *steps_next(Steps *self) {
    return steps_send(self, Py_None);
}

static PyObject *steps_throw(Steps *self, PyObject *arguments) {
    PyObject *method = PyObject_GetAttr(self->body, str_throw);
    if (!method) return NULL;
    int64_t begin_cpu_ns = step_in(self);
    PyObject *result = PyObject_Call(method, arguments, NULL);
    Py_DECREF(method);
    step_out(self, begin_cpu_ns, !result);
    return result;
}

static PyObject *steps_close(Steps *self, PyObject *unused) {
    PyObject *done = PyObject_CallMethodObjArgs(self->body, str_close, NULL);
    PyObject *kind, *error, *traceback;
    PyErr_Fetch(&kind, &error, &traceback);
    steps_end(self, kind);
    PyErr_Restore(kind, error, traceback);
    return done;
}

/* To those who look at it, it is the coroutine: cr_frame, cr_await, __name__ and all. */
static PyObject *steps_getattr(PyObject *self, PyObject *name) {
    PyObject *value = PyObject_GenericGetAttr(self, name);
    if (value || !PyErr_ExceptionMatches(PyExc_AttributeError)) return value;
    PyErr_Clear();
    return PyObject_GetAttr(((Steps *)self)->body, name);
}

static PyObject *self_again(PyObject *self) {
    return Py_NewRef(self);
}

static int steps_traverse(Steps *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->body);
    return 0;
}

static int steps_clear(Steps *self) {
    Py_CLEAR(self->body);
    return 0;
}

static void steps_dealloc(Steps *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    if (self->begun && !self->ended) {
        PyObject *kind, *error, *traceback;
        PyErr_Fetch(&kind, &error, &traceback);
        steps_end(self, NULL);
        PyErr_Restore(kind, error, traceback);
    }
    Py_CLEAR(self->body);
    Py_CLEAR(self->execution);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef steps_methods[] = {
    {"send", (PyCFunction)steps_send, METH_O, NULL},
    {"throw", (PyCFunction)steps_throw, METH_VARARGS, NULL},
    {"close", (PyCFunction)steps_close, METH_NOARGS, NULL},
    {NULL},
};
static PyType_Slot steps_slots[] = {
    {Py_tp_doc, "Drives a coroutine or generator and records it as one execution."},
    {Py_tp_new, steps_new},
    {Py_tp_dealloc, steps_dealloc},
    {Py_tp_traverse, steps_traverse},
    {Py_tp_clear, steps_clear},
    {Py_tp_getattro, steps_getattr},
    {Py_tp_iter, self_again},
    {Py_tp_iternext, steps_next},
    {Py_am_await, self_again},
    {Py_am_send, steps_am_send},
    {Py_tp_methods, steps_methods},
    {0, NULL},
};
static PyType_Spec steps_spec = {"genesis_performance.operations._core.Steps", sizeof(Steps), 0,
                                 Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC, steps_slots};

/* ---- Function: what a decorated function becomes ---- */

/* As find_cell; a function is mostly called again by the thread that called it last. */
static Cell *recent_cell(Function *self, Thread *thread) {
    Recorder *recorder = self->recorder;
    if (self->cell && self->thread == thread->serial && self->generation == recorder->generation)
        return (Cell *)Py_NewRef((PyObject *)self->cell);
    Cell *cell = find_cell(recorder, thread, self->key);
    if (!cell) return NULL;
    Cell *old = self->cell;
    self->cell = (Cell *)Py_NewRef((PyObject *)cell);
    self->thread = thread->serial;
    self->generation = recorder->generation;
    Py_XDECREF((PyObject *)old);
    return cell;
}

static PyObject *function_call(Function *self, PyObject *args, PyObject *keywords) {
    Recorder *recorder = self->recorder;
    if (!recorder->enabled) return PyObject_Call(self->function, args, keywords);
    if (self->is_coroutine) {
        PyObject *body = PyObject_Call(self->function, args, keywords);
        PyObject *steps = body ? new_steps(recorder, self->key, body) : NULL;
        Py_XDECREF(body);
        return steps;
    }
    Thread *thread = thread_here();
    Execution *execution = thread ? new_execution(recorder, self->key) : NULL;
    if (!execution || begin(execution, thread, recent_cell(self, thread)) < 0) {
        PyErr_Clear();
        Py_XDECREF((PyObject *)execution);
        return PyObject_Call(self->function, args, keywords);
    }
    if (greenlets) {
        enter_context(execution);
    } else {
        push(thread, execution);
    }
    if (tracking) enter_frame(execution, (PyObject *)PyEval_GetFrame());
    if (cpu_is_sampled(execution)) execution->begin_cpu_ns = cpu_ns(recorder);
    execution->begin_ns = wall_ns(recorder);
    PyObject *result = PyObject_Call(self->function, args, keywords);
    int64_t duration = wall_ns(recorder) - execution->begin_ns;
    int64_t cpu = execution->begin_cpu_ns >= 0 ? cpu_ns(recorder) - execution->begin_cpu_ns : -1;
    if (result) {
        finish(execution, duration, cpu, NULL);
    } else {
        PyObject *kind, *error, *traceback;
        PyErr_Fetch(&kind, &error, &traceback);
        finish(execution, duration, cpu, kind);
        PyErr_Restore(kind, error, traceback);
    }
    Py_DECREF(execution);
    return result;
}

static PyObject *function_get(PyObject *self, PyObject *instance, PyObject *owner) {
    if (!instance || instance == Py_None) return Py_NewRef(self);
    return PyObject_CallFunctionObjArgs(method_type, self, instance, NULL);
}

/* Pickled and copied as functions are: by name. */
static PyObject *function_reduce(PyObject *self, PyObject *unused) {
    return PyObject_GetAttr(self, str_qualname);
}

static PyObject *function_repr(Function *self) {
    return PyUnicode_FromFormat("<recorded %R>", self->function);
}

static int function_traverse(Function *self, visitproc visit, void *arg) {
    Py_VISIT(Py_TYPE((PyObject *)self));
    Py_VISIT(self->dict);
    Py_VISIT(self->function);
    Py_VISIT(self->recorder);
    return 0;
}

static int function_clear(Function *self) {
    Py_CLEAR(self->dict);
    Py_CLEAR(self->function);
    return 0;
}

static void function_dealloc(Function *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    PyObject_GC_UnTrack(self);
    if (self->weak_references) PyObject_ClearWeakRefs((PyObject *)self);
    function_clear(self);
    Py_CLEAR(self->key);
    Py_CLEAR(self->cell);
    Py_CLEAR(self->recorder);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

static PyMethodDef function_methods[] = {
    {"__reduce__", (PyCFunction)function_reduce, METH_NOARGS, NULL},
    {NULL},
};
static PyMemberDef function_members[] = {
    {"__dictoffset__", T_PYSSIZET, offsetof(Function, dict), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Function, weak_references), READONLY, NULL},
    {NULL},
};
static PyGetSetDef function_getters[] = {
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict, NULL, NULL},
    {NULL},
};
static PyType_Slot function_slots[] = {
    {Py_tp_dealloc, function_dealloc},
    {Py_tp_traverse, function_traverse},
    {Py_tp_clear, function_clear},
    {Py_tp_call, function_call},
    {Py_tp_descr_get, function_get},
    {Py_tp_repr, function_repr},
    {Py_tp_methods, function_methods},
    {Py_tp_members, function_members},
    {Py_tp_getset, function_getters},
    {0, NULL},
};
static PyType_Spec function_spec = {
    "genesis_performance.operations._core.Function", sizeof(Function), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_METHOD_DESCRIPTOR | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    function_slots};

static PyObject *decorate(PyObject *args, int is_coroutine) {
    PyObject *recorder, *name, *function;
    if (!PyArg_ParseTuple(args, "O!UO", recorder_type, &recorder, &name, &function)) return NULL;
    allocfunc allocate = PyType_GetSlot(function_type, Py_tp_alloc);
    Function *self = (Function *)allocate(function_type, 0);
    if (!self) return NULL;
    self->recorder = (Recorder *)Py_NewRef(recorder);
    self->key = Py_NewRef(name);
    self->function = Py_NewRef(function);
    self->is_coroutine = (char)is_coroutine;
    return (PyObject *)self;
}
