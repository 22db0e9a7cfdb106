/* The recorder's fast path, compiled: the twin of pure.py, execution.py, cell.py and stepped.py.

   Limited API only, so that one wheel serves every CPython with a GIL from 3.11 on. The GIL is the lock: nothing
   here releases it between reading and writing a cell. What is rare (a new name, an error's class, repeated
   calls, another clock) calls back into Python. Nothing here raises into the host: a fault of our own is
   cleared and counted.

   Which operation is current: executions of plain functions are a stack of their thread, which costs two pointers.
   A body that can be suspended (a coroutine, a generator) is in its context instead, because its thread goes on
   with other work. Of the two the one that began later is the inner one. */

#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

/* memory.py explains the layout. */
enum { SEQUENCE, STARTED, ERRORS, SUM_NS, MIN_NS, MAX_NS, CPU_NS, CPU_SAMPLES, COUNTER_WORDS };
#define OCTAVES 59
#define OCTAVE_WORDS 32
#define MAX_NAME_LENGTH 256

/* CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR */
#define SUSPENDABLE (0x20 | 0x80 | 0x200)

#define MAX_CHILDREN 256 /* as current.MAX_KEYS */
#define FREE_EXECUTIONS 64
#define FREE_STEPS 32
#define RECORDERS_OF_THREAD 4

typedef struct {
    PyObject_HEAD
    int64_t *words;
    int64_t *octaves[OCTAVES];
    PyObject *name;
    PyObject *error_types;
    PyObject *memory;         /* NULL: the heap */
    PyObject *counters;       /* the object that the words were handed out as */
    Py_buffer *buffers;       /* of words and octaves; OCTAVES + 1 of them, NULL on the heap */
    PyObject *code;           /* that entered last, and whether it can be suspended: asking for the flags is slow */
    int suspendable;          /* kind_of_code */
} Cell;

typedef struct {
    PyObject_HEAD
    char enabled;
    int cpu_mask;
    PyObject *clock;          /* NULL: the system's monotonic clock */
    PyObject *cpu_clock;      /* NULL: the thread's CPU clock */
    PyObject *threads;        /* serial of the thread -> (thread id, cells) */
    uint64_t generation;      /* no two recorders share one, nor one recorder before and after threads were dropped */
} Recorder;

/* Calls of one nested operation within an execution. */
typedef struct {
    PyObject *name;
    PyObject *site;
    int64_t calls;
    int64_t duration_ns;
} Child;

typedef struct Execution {
    PyObject_HEAD
    Recorder *recorder;
    PyObject *key;            /* the name, or (name, labels) */
    Cell *cell;
    struct Execution *parent; /* the operation around it, in the same task */
    struct Execution *below;  /* the next on the thread's stack; of one that has left its context: what was around it */
    struct Thread *at;        /* the thread whose stack it is on, or NULL */
    struct Execution *again;  /* entered while it ran: executions of their own */
    PyObject *token;          /* of the context variable, for a body that can be suspended */
    PyObject *frame;          /* entered for those who track */
    PyObject *frame_before;
    PyObject *calls;          /* what note_call remembers */
    Child *children;
    int child_count;
    char active;
    uint64_t serial;
    int64_t begin_ns;
    int64_t begin_cpu_ns;
} Execution;

typedef struct {
    PyObject_HEAD
    PyObject *dict;
    PyObject *weak_references;
    PyObject *function;
    PyObject *key;
    Recorder *recorder;
    char is_coroutine;
    Cell *cell;               /* of the thread that called last */
    uint64_t thread, generation;
} Function;

typedef struct {
    PyObject_HEAD
    PyObject *body;
    Execution *execution;
    Execution *inner;         /* of a generator: the innermost that its body was in when it yielded */
    char is_generator;        /* it shares its caller's context; a coroutine has its task's */
    char begun;
    char ended;
    char stepping;
    char suspended;
    char sampled;
    int64_t cpu_ns;
} Steps;

/* One operating system thread. Never freed: the next thread with its id takes it over. */
typedef struct Thread {
    struct Thread *next;
    unsigned long id;
    uint64_t serial;
    Execution *top;
    struct { uint64_t generation; PyObject *cells; } recent[RECORDERS_OF_THREAD];
} Thread;

static __thread Thread *this_thread;
static Thread *all_threads;
static unsigned long main_thread; /* the one that imports us, nearly always */
static uint64_t last_serial, last_generation, last_thread;

/* Out of the way of what happens each time. */
#define RARE __attribute__((noinline, cold))

static PyTypeObject *cell_type, *recorder_type, *execution_type, *function_type, *steps_type, *coroutine_type;
static Execution *free_executions[FREE_EXECUTIONS];
static int free_count;
static Steps *free_steps[FREE_STEPS];
static int free_steps_count;

static PyObject *null_execution, *function_class, *tally_type, *call_site, *open_frames, *method_type;
static PyObject *context_get, *context_set, *context_reset;
static PyObject *str_new_cell, *str_key, *str_count_error, *str_count_failure, *str_fold_calls, *str_fold_call,
    *str_co_flags, *str_co_name, *str_f_back, *str_counters, *str_octave, *str_qualname, *str_throw, *str_close, *str_operation,
    *str_cr_frame, *str_gi_frame, *str_setdefault, *str_await, *str_send;

static int tracking;          /* somebody looks from outside: executions enter their frames */
static int contexts_used;     /* a suspendable body has been entered: the context must be asked too */
static int inherit;           /* child tasks shall see the operation they were made in */
static int greenlets;         /* plain functions may be suspended too: everything goes into the context */
