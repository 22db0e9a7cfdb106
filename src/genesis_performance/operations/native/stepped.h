/* ---- Steps: a coroutine or generator, driven and timed step by step ---- */

/* What can be sent to. Some functions that are marked as coroutine functions return another awaitable. */
static RARE PyObject *driven(PyObject *body) {
    PyObject *send = PyObject_GetAttr(body, str_send), *iterator = NULL;
    if (!send) {
        PyErr_Clear();
        iterator = PyObject_CallMethodObjArgs(body, str_await, NULL);
        if (!iterator) PyErr_Clear(); /* awaiting it will say what is wrong */
    }
    Py_XDECREF(send);
    return iterator ? iterator : Py_NewRef(body);
}

static PyObject *new_steps(Recorder *recorder, PyObject *key, PyObject *body, int is_generator) {
    Steps *self;
    if (free_steps_count) {
        self = free_steps[--free_steps_count];
        PyObject_Init((PyObject *)self, steps_type);
        self->begun = self->ended = self->stepping = self->suspended = self->sampled = 0;
        self->cpu_ns = 0;
        PyObject_GC_Track(self);
    } else {
        allocfunc allocate = PyType_GetSlot(steps_type, Py_tp_alloc);
        self = (Steps *)allocate(steps_type, 0);
        if (!self) return NULL;
    }
    self->body = Py_TYPE(body) == coroutine_type || is_generator ? Py_NewRef(body) : driven(body);
    self->is_generator = (char)is_generator;
    self->execution = new_execution(recorder, key);
    if (!self->execution) Py_CLEAR(self);
    return (PyObject *)self;
}

/* For generators. */
static PyObject *steps_new(PyTypeObject *type, PyObject *args, PyObject *keywords) {
    PyObject *recorder, *key, *body;
    if (!PyArg_ParseTuple(args, "O!OO:Steps", recorder_type, &recorder, &key, &body)) return NULL;
    return new_steps((Recorder *)recorder, key, body, 1);
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

typedef struct {
    int64_t cpu_ns;
    PyObject *token; /* of the context that a generator shares with its caller */
} Step;

/* Before a step. False: nothing is to be recorded, because the body has ended, or is executing and will say so. */
static inline int step_in(Steps *self, Step *step) {
    if (self->ended || self->stepping) return 0;
    Thread *thread = thread_here();
    if (!thread) return 0;
    if (!self->begun) {
        steps_begin(self, thread);
        if (!self->begun) return 0;
    }
    self->stepping = 1;
    step->token = NULL;
    if (self->is_generator && (contexts_used || greenlets)) {
        step->token = PyObject_CallFunctionObjArgs(context_set, self->inner ? self->inner : self->execution, NULL);
        if (!step->token) PyErr_Clear();
        contexts_used = 1;
    }
    if (!greenlets || !step->token) push(thread, self->execution);
    step->cpu_ns = self->sampled ? cpu_ns(self->execution->recorder) : 0;
    return 1;
}

/* What the body left in the context is its own until it goes on. */
static RARE void leave_shared_context(Steps *self, PyObject *token) {
    Execution *before = self->inner;
    PyObject *inner = PyObject_CallNoArgs(context_get), *done;
    int is_inner = inner && Py_IS_TYPE(inner, execution_type) && inner != (PyObject *)self->execution &&
                   ((Execution *)inner)->active;
    self->inner = is_inner ? (Execution *)Py_NewRef(inner) : NULL;
    done = token ? PyObject_CallFunctionObjArgs(context_reset, token, NULL)
                 : PyObject_CallFunctionObjArgs(context_set, Py_None, NULL);
    if (!inner || !done) PyErr_Clear();
    Py_XDECREF(inner);
    Py_XDECREF(done);
    Py_XDECREF(token);
    Py_XDECREF((PyObject *)before);
}

static inline void step_out(Steps *self, Step *step, int ended, int raised) {
    PyObject *kind = NULL, *error = NULL, *traceback = NULL;
    /* Before anything of ours runs, which it would disturb. */
    if (raised) PyErr_Fetch(&kind, &error, &traceback);
    if (self->sampled) self->cpu_ns += cpu_ns(self->execution->recorder) - step->cpu_ns;
    self->stepping = 0;
    self->suspended = !ended;
    pop(self->execution);
    if (self->is_generator && contexts_used) leave_shared_context(self, step->token);
    if (!ended) return;
    int returned = !kind || PyErr_GivenExceptionMatches(kind, PyExc_StopIteration);
    steps_end(self, returned ? NULL : kind);
    if (raised) PyErr_Restore(kind, error, traceback);
}

static PySendResult steps_am_send(Steps *self, PyObject *value, PyObject **result) {
    Step step;
    /* Python refuses a value that is sent before the first step, and the body does not begin. */
    if ((!self->begun && value != Py_None) || !step_in(self, &step)) return PyIter_Send(self->body, value, result);
    PySendResult sent = PyIter_Send(self->body, value, result);
    step_out(self, &step, sent != PYGEN_NEXT, sent == PYGEN_ERROR);
    return sent;
}

static PyObject *steps_send(Steps *self, PyObject *value) {
    PyObject *result;
    PySendResult sent = steps_am_send(self, value, &result);
    if (sent == PYGEN_RETURN) {
        if (result == Py_None) {
            PyErr_SetNone(PyExc_StopIteration);
        } else if (PyTuple_Check(result) || PyExceptionInstance_Check(result)) {
            /* As a value, not as arguments or as the exception itself. */
            PyObject *stop = PyObject_CallFunctionObjArgs(PyExc_StopIteration, result, NULL);
            if (stop) PyErr_SetObject(PyExc_StopIteration, stop);
            Py_XDECREF(stop);
        } else {
            PyErr_SetObject(PyExc_StopIteration, result);
        }
        Py_DECREF(result);
        return NULL;
    }
    return result;
}

static PyObject *steps_next(Steps *self) {
    return steps_send(self, Py_None);
}

static PyObject *steps_throw(Steps *self, PyObject *arguments) {
    Step step;
    PyObject *method = PyObject_GetAttr(self->body, str_throw);
    if (!method) return NULL;
    /* Before the first step there is nothing to leave: the body ends without having begun. */
    if (!self->begun) self->ended = 1;
    int stepped = step_in(self, &step);
    PyObject *result = PyObject_Call(method, arguments, NULL);
    Py_DECREF(method);
    if (stepped) step_out(self, &step, !result, !result);
    return result;
}

static PyObject *steps_close(Steps *self, PyObject *unused) {
    Step step;
    if (!self->begun) self->ended = 1;
    int stepped = step_in(self, &step);
    PyObject *done = PyObject_CallMethodObjArgs(self->body, str_close, NULL);
    if (stepped) step_out(self, &step, 1, !done);
    return done;
}

/* To those who look at it, it is the coroutine. By name: a general look-up would slow ``send`` down. */
static PyObject *steps_get(Steps *self, void *name) {
    if (self->body) return PyObject_GetAttrString(self->body, name);
    return PyErr_Format(PyExc_AttributeError, "%s: the coroutine is gone", (const char *)name);
}

#define OF_BODY(name) {name, (getter)steps_get, NULL, NULL, name}
static PyGetSetDef steps_getters[] = {
    OF_BODY("cr_await"), OF_BODY("cr_code"), OF_BODY("cr_frame"), OF_BODY("cr_origin"), OF_BODY("cr_running"),
    OF_BODY("cr_suspended"), OF_BODY("gi_code"), OF_BODY("gi_frame"), OF_BODY("gi_running"),
    OF_BODY("gi_suspended"), OF_BODY("gi_yieldfrom"), OF_BODY("__name__"), OF_BODY("__qualname__"), {NULL},
};

static PyObject *self_again(PyObject *self) {
    return Py_NewRef(self);
}

/* As a coroutine: a second one that awaits it would resume it in the place of what it waits for. */
static PyObject *steps_await(Steps *self) {
    if (!self->suspended || self->is_generator) return Py_NewRef((PyObject *)self);
    PyErr_SetString(PyExc_RuntimeError, "coroutine is being awaited already");
    return NULL;
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
    Py_CLEAR(self->inner);
    Py_CLEAR(self->execution);
    if (free_steps_count < FREE_STEPS) free_steps[free_steps_count++] = self;
    else PyObject_GC_Del(self);
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
    {Py_tp_getset, steps_getters},
    {Py_tp_iter, self_again},
    {Py_tp_iternext, steps_next},
    {Py_am_await, steps_await},
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
    uint64_t generation = recorder->generation; /* threads may be dropped meanwhile */
    Cell *cell = find_cell(recorder, thread, self->key);
    if (!cell) return NULL;
    Cell *old = self->cell;
    self->cell = (Cell *)Py_NewRef((PyObject *)cell);
    self->thread = thread->serial;
    self->generation = generation;
    Py_XDECREF((PyObject *)old);
    return cell;
}

static PyObject *function_call(Function *self, PyObject *args, PyObject *keywords) {
    Recorder *recorder = self->recorder;
    if (!recorder->enabled) return PyObject_Call(self->function, args, keywords);
    if (self->is_coroutine) {
        PyObject *body = PyObject_Call(self->function, args, keywords);
        PyObject *steps = body ? new_steps(recorder, self->key, body, 0) : NULL;
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
    PyObject *kind = NULL, *error, *traceback;
    /* Before anything of ours runs, which it would disturb. */
    if (!result) PyErr_Fetch(&kind, &error, &traceback);
    int64_t duration = wall_ns(recorder) - execution->begin_ns;
    int64_t cpu = execution->begin_cpu_ns >= 0 ? cpu_ns(recorder) - execution->begin_cpu_ns : -1;
    finish(execution, duration, cpu, kind);
    if (!result) PyErr_Restore(kind, error, traceback);
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
/* To ``isinstance``, on which frameworks decide what they accept. */
static PyObject *function_get_class(PyObject *self, void *unused) {
    return Py_NewRef(function_class);
}

static PyGetSetDef function_getters[] = {
    {"__class__", function_get_class, NULL, NULL, NULL},
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
