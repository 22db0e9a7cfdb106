/* ---- which operation is current ---- */

/* New reference, or NULL for none. */
static Execution *current_execution(Thread *thread) {
    Execution *top = thread->top;
    if (contexts_used) {
        PyObject *found = PyObject_CallNoArgs(context_get);
        if (found && Py_IS_TYPE(found, execution_type)) {
            /* A task may outlive the operation that it was made in. */
            while (found && !((Execution *)found)->active) {
                PyObject *around = (PyObject *)((Execution *)found)->below;
                Py_XINCREF(around);
                Py_DECREF(found);
                found = around;
            }
            if (!found) goto on_stack;
            /* Of the two the later one is the inner one: what runs now can only have begun within it. */
            if (!top || ((Execution *)found)->serial > top->serial) return (Execution *)found;
        }
        if (!found) PyErr_Clear();
        Py_XDECREF(found);
    }
on_stack:
    Py_XINCREF((PyObject *)top);
    return top;
}

static RARE void enter_context(Execution *self) {
    Py_CLEAR(self->below);
    self->token = PyObject_CallFunctionObjArgs(context_set, (PyObject *)self, NULL);
    if (!self->token) PyErr_Clear();
    contexts_used = 1;
}

static RARE void leave_context(Execution *self) {
    PyObject *token = self->token;
    self->token = NULL;
    PyObject *now = PyObject_CallNoArgs(context_get), *done = NULL;
    /* Left out of order, or in another context than entered (a generator closed elsewhere): nothing to restore. */
    if (now == (PyObject *)self) done = PyObject_CallFunctionObjArgs(context_reset, token, NULL);
    if (!done) PyErr_Clear();
    Py_XDECREF(now);
    Py_XDECREF(done);
    Py_DECREF(token);
    /* Contexts that were copied meanwhile go on with it. */
    Execution *around = self->parent;
    while (around && !around->active) around = around->below;
    self->below = around ? (Execution *)Py_NewRef((PyObject *)around) : NULL;
}

static inline void push(Thread *thread, Execution *self) {
    if (__builtin_expect(self->below != NULL, 0)) Py_CLEAR(self->below); /* it was in a context before */
    self->below = thread->top; /* the reference moves */
    thread->top = (Execution *)Py_NewRef((PyObject *)self);
    self->at = thread;
}

static inline void pop(Execution *self) {
    if (!self->at) return;
    Execution **place = &self->at->top;
    /* Nearly always it is the top one; further down where executions are left out of order. */
    while (*place && *place != self) place = &(*place)->below;
    self->at = NULL;
    if (*place) {
        *place = self->below;
        self->below = NULL;
        Py_DECREF(self);
    }
}

static RARE void enter_frame(Execution *self, PyObject *frame) {
    if (!frame) return;
    self->frame = Py_NewRef(frame);
    PyObject *before = PyDict_GetItemWithError(open_frames, frame);
    self->frame_before = before ? Py_NewRef(before) : NULL;
    if (PyDict_SetItem(open_frames, frame, (PyObject *)self) < 0) PyErr_Clear();
}

static RARE void leave_frame(Execution *self) {
    int failed = self->frame_before && tracking ? PyDict_SetItem(open_frames, self->frame, self->frame_before)
                                                : PyDict_DelItem(open_frames, self->frame);
    if (failed) PyErr_Clear(); /* tracking ended meanwhile, and cleared the table */
    Py_CLEAR(self->frame);
    Py_CLEAR(self->frame_before);
}

/* ---- Execution ---- */

static Execution *new_execution(Recorder *recorder, PyObject *key) {
    Execution *self;
    if (free_count) {
        self = free_executions[--free_count];
        PyObject_Init((PyObject *)self, execution_type);
    } else {
        self = (Execution *)PyType_GenericAlloc(execution_type, 0);
        if (!self) return NULL;
    }
    self->recorder = (Recorder *)Py_NewRef((PyObject *)recorder);
    self->key = Py_NewRef(key);
    return self;
}

static void forget_children(Execution *self) {
    for (int i = 0; i < self->child_count; i++) {
        Py_DECREF(self->children[i].name);
        Py_XDECREF(self->children[i].site);
    }
    self->child_count = 0;
}

static void execution_dealloc(Execution *self) {
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    Py_CLEAR(self->recorder);
    Py_CLEAR(self->key);
    Py_CLEAR(self->cell);
    Py_CLEAR(self->parent);
    Py_CLEAR(self->below);
    if (self->again) Py_CLEAR(self->again);
    if (self->token) Py_CLEAR(self->token);
    if (self->frame) Py_CLEAR(self->frame);
    if (self->frame_before) Py_CLEAR(self->frame_before);
    if (self->calls) Py_CLEAR(self->calls);
    if (self->children) {
        forget_children(self);
        PyMem_Free(self->children);
        self->children = NULL;
    }
    self->active = 0;
    if (free_count < FREE_EXECUTIONS) {
        free_executions[free_count++] = self;
    } else {
        freefunc release = PyType_GetSlot(type, Py_tp_free);
        release(self);
    }
    Py_DECREF(type);
}

static inline PyObject *name_of(PyObject *key) { /* borrowed */
    return PyTuple_Check(key) ? PyTuple_GetItem(key, 0) : key;
}

static inline PyObject *shown_name(Execution *self) { /* borrowed; that of the snapshots, also beyond the cap */
    return self->cell ? self->cell->name : name_of(self->key);
}

/* Begin: everything but the clock, and being current. Takes over the reference to the cell; NULL is a fault. */
static int begin(Execution *self, Thread *thread, Cell *cell) {
    if (!cell) {
        count_failure(self->recorder, "an operation could not be counted");
        return -1;
    }
    self->cell = cell;
    cell->words[STARTED]++;
    self->serial = ++last_serial;
    self->parent = current_execution(thread);
    self->active = 1;
    self->begin_cpu_ns = -1;
    return 0;
}

static inline int cpu_is_sampled(Execution *self) {
    int mask = self->recorder->cpu_mask;
    return mask >= 0 && !((self->cell->words[STARTED] - 1) & mask);
}

static int flags_say_suspendable(PyObject *code) {
    PyObject *flags = PyObject_GetAttr(code, str_co_flags);
    int suspendable = flags && (PyLong_AsLong(flags) & SUSPENDABLE);
    Py_XDECREF(flags);
    PyErr_Clear();
    return suspendable;
}

/* Code that enters for its caller: ExitStack.enter_context, or a context manager with ours inside. */
static int enters_for_its_caller(PyObject *code) {
    PyObject *name = PyObject_GetAttr(code, str_co_name);
    int it_does = name && PyUnicode_Check(name) &&
                  (!PyUnicode_CompareWithASCIIString(name, "enter_context") ||
                   !PyUnicode_CompareWithASCIIString(name, "__enter__"));
    Py_XDECREF(name);
    PyErr_Clear();
    return it_does;
}

enum { PLAIN, SUSPENDABLE_CODE, FOR_ITS_CALLER };

/* What the code that enters is. The answer is kept with the cell: operations are entered from one place, nearly
   always. */
static int kind_of_code(Cell *cell, PyObject *frame) {
    PyObject *code = (PyObject *)PyFrame_GetCode((PyFrameObject *)frame);
    if (code == cell->code) {
        Py_DECREF(code);
        return cell->suspendable;
    }
    int kind = flags_say_suspendable(code) ? SUSPENDABLE_CODE : enters_for_its_caller(code) ? FOR_ITS_CALLER : PLAIN;
    PyObject *before = cell->code;
    cell->code = code;
    cell->suspendable = kind;
    Py_XDECREF(before);
    return kind;
}

/* The frame that had another enter for it: a new reference, or NULL. */
static PyObject *frame_entered_for(PyObject *frame, int *suspendable) {
    Py_INCREF(frame);
    for (;;) {
        PyObject *caller = PyObject_GetAttr(frame, str_f_back);
        Py_DECREF(frame);
        if (!caller || caller == Py_None) {
            Py_XDECREF(caller);
            PyErr_Clear();
            return NULL;
        }
        PyObject *code = (PyObject *)PyFrame_GetCode((PyFrameObject *)caller);
        int goes_on = enters_for_its_caller(code);
        *suspendable = flags_say_suspendable(code);
        Py_DECREF(code);
        if (!goes_on) return caller;
        frame = caller;
    }
}

static void add_child(Execution *self, PyObject *name, int64_t calls, int64_t duration) {
    Child *child = self->children, *end = child + self->child_count;
    while (child < end && child->name != name) child++;
    if (child == end) {
        if (self->child_count == MAX_CHILDREN) return;
        if (!(self->child_count & (self->child_count - 1))) { /* 0, 1, 2, 4, ...: full */
            int room = self->child_count ? 2 * self->child_count : 1;
            Child *more = PyMem_Realloc(self->children, (size_t)room * sizeof(Child));
            if (!more) return;
            self->children = more;
            child = more + self->child_count;
        }
        *child = (Child){.name = Py_NewRef(name)};
        self->child_count++;
    }
    child->calls += calls;
    child->duration_ns += duration;
    if (child->calls > 1 && !child->site) {
        child->site = PyObject_CallNoArgs(call_site);
        if (!child->site) clear_fault();
    }
}

/* What happened within is remembered where it repeated, and belongs to the operation around it as well. */
static void fold_children(Execution *self) {
    for (int i = 0; i < self->child_count; i++) {
        Child *child = &self->children[i];
        if (child->calls < 2) continue;
        PyObject *tally = PyObject_CallFunction(tally_type, "LOL", child->duration_ns,
                                                child->site ? child->site : Py_None, child->calls);
        PyObject *done = tally ? PyObject_CallMethodObjArgs((PyObject *)self->recorder, str_fold_call,
                                                            self->cell->name, str_operation, child->name, tally, NULL)
                               : NULL;
        Py_XDECREF(tally);
        Py_XDECREF(done);
        clear_fault();
    }
    for (int i = 0; self->parent && i < self->child_count; i++)
        add_child(self->parent, self->children[i].name, self->children[i].calls, self->children[i].duration_ns);
    forget_children(self);
}

/* End: the clocks are read already; ``kind`` is the class of the exception that left, or NULL. */
static void finish(Execution *self, int64_t duration, int64_t cpu, PyObject *kind) {
    /* A generator that is closed early did not fail. */
    int failed = kind && !PyErr_GivenExceptionMatches(kind, PyExc_GeneratorExit);
    record(self->cell, duration, cpu, failed);
    if (failed) {
        PyObject *done = PyObject_CallMethodObjArgs((PyObject *)self->recorder, str_count_error,
                                                    (PyObject *)self->cell, kind, NULL);
        Py_XDECREF(done);
        clear_fault();
    }
    if (self->token) leave_context(self);
    pop(self);
    if (self->frame) leave_frame(self);
    if (self->parent) add_child(self->parent, self->cell->name, 1, duration);
    if (self->child_count) fold_children(self);
    if (self->calls) {
        PyObject *done = PyObject_CallMethodObjArgs((PyObject *)self->recorder, str_fold_calls, (PyObject *)self, NULL);
        Py_XDECREF(done);
        clear_fault();
        Py_CLEAR(self->calls);
    }
    Py_CLEAR(self->parent);
    Py_CLEAR(self->cell);
    self->active = 0;
}

static PyObject *execution_enter(Execution *self, PyObject *unused) {
    if (self->active) {
        Execution *again = new_execution(self->recorder, self->key);
        if (!again) return NULL;
        again->again = self->again; /* the reference moves */
        self->again = again;
        return execution_enter(again, NULL);
    }
    Thread *thread = thread_here();
    if (!thread || begin(self, thread, find_cell(self->recorder, thread, self->key)) < 0) {
        PyErr_Clear();
        return Py_NewRef((PyObject *)self);
    }
    PyObject *frame = (PyObject *)PyEval_GetFrame();
    int suspendable = frame ? kind_of_code(self->cell, frame) : PLAIN;
    PyObject *entered_for = NULL;
    if (suspendable == FOR_ITS_CALLER) {
        suspendable = 0;
        frame = entered_for = frame_entered_for(frame, &suspendable);
    }
    if (suspendable || greenlets) {
        enter_context(self);
    } else {
        push(thread, self);
    }
    if (tracking) enter_frame(self, frame);
    Py_XDECREF(entered_for);
    if (!suspendable && cpu_is_sampled(self)) self->begin_cpu_ns = cpu_ns(self->recorder);
    self->begin_ns = wall_ns(self->recorder);
    return Py_NewRef((PyObject *)self);
}

static PyObject *execution_exit(Execution *self, PyObject *const *arguments, Py_ssize_t count) {
    if (self->again) {
        Execution *again = self->again;
        self->again = again->again;
        again->again = NULL;
        PyObject *done = execution_exit(again, arguments, count);
        Py_DECREF(again);
        return done;
    }
    if (self->active) {
        int64_t duration = wall_ns(self->recorder) - self->begin_ns;
        int64_t cpu = self->begin_cpu_ns >= 0 ? cpu_ns(self->recorder) - self->begin_cpu_ns : -1;
        PyObject *kind = count > 0 && arguments[0] != Py_None ? arguments[0] : NULL;
        finish(self, duration, cpu, kind);
    }
    Py_RETURN_NONE;
}

static PyObject *execution_rename(Execution *self, PyObject *name) {
    if (!self->active) Py_RETURN_NONE;
    PyObject *labels = PyTuple_Check(self->key) ? PyTuple_GetItem(self->key, 1) : NULL;
    if (PyUnicode_CheckExact(name) && PyUnicode_GetLength(name) <= MAX_NAME_LENGTH) {
        Py_INCREF(name);
    } else {
        name = PyObject_CallMethodObjArgs((PyObject *)self->recorder, str_key, name, Py_None, NULL);
        clear_fault();
        if (!name || name == Py_None) return name ? name : Py_NewRef(Py_None);
    }
    PyObject *key = labels ? PyTuple_Pack(2, name, labels) : Py_NewRef(name);
    Py_DECREF(name);
    Thread *thread = thread_here();
    Cell *cell = key && thread ? find_cell(self->recorder, thread, key) : NULL;
    if (!cell) {
        Py_XDECREF(key);
        count_failure(self->recorder, "an operation could not be renamed");
        Py_RETURN_NONE;
    }
    self->cell->words[STARTED]--;
    cell->words[STARTED]++;
    Cell *old_cell = self->cell;
    PyObject *old_key = self->key;
    self->cell = cell;
    self->key = key;
    Py_DECREF(old_cell);
    Py_DECREF(old_key);
    Py_RETURN_NONE;
}

static PyObject *execution_fail(Execution *self, PyObject *kind) {
    if (!self->active) Py_RETURN_NONE;
    self->cell->words[ERRORS]++;
    return PyObject_CallMethodObjArgs((PyObject *)self->recorder, str_count_error, (PyObject *)self->cell, kind, NULL);
}

static PyObject *execution_name(Execution *self, void *unused) {
    return Py_NewRef(shown_name(self));
}

static PyObject *execution_labels(Execution *self, void *unused) {
    return PyTuple_Check(self->key) ? Py_NewRef(PyTuple_GetItem(self->key, 1)) : PyTuple_New(0);
}

static PyMethodDef execution_methods[] = {
    {"__enter__", (PyCFunction)execution_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))execution_exit, METH_FASTCALL, NULL},
    {"rename", (PyCFunction)execution_rename, METH_O, "Record under another name."},
    {"fail", (PyCFunction)execution_fail, METH_O, "Count as an error although no exception leaves the body."},
    {NULL},
};
static PyMemberDef execution_members[] = {
    {"parent", T_OBJECT, offsetof(Execution, parent), READONLY, NULL},
    {"calls", T_OBJECT, offsetof(Execution, calls), 0, NULL},
    {NULL},
};
static PyGetSetDef execution_getters[] = {
    {"name", (getter)execution_name, NULL, "The operation's name.", NULL},
    {"labels", (getter)execution_labels, NULL, "The operation's labels.", NULL},
    {NULL},
};
static PyType_Slot execution_slots[] = {
    {Py_tp_doc, "A context manager that times its body; made by ``Recorder.operation``."},
    {Py_tp_dealloc, execution_dealloc},
    {Py_tp_methods, execution_methods},
    {Py_tp_members, execution_members},
    {Py_tp_getset, execution_getters},
    {0, NULL},
};
static PyType_Spec execution_spec = {"genesis_performance.operations._core.Execution", sizeof(Execution), 0,
                                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, execution_slots};
