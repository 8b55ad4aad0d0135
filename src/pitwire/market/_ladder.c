/* The compiled twin of `Ladder` in ladder.py: the same methods, the same answers, no other.
 *
 * Levels lie side by side, sorted by key (price times sign), the best one last, so that what
 * changes most lies where the least has to be moved. Numbers are the doubles that came: none is
 * ever computed, so what is read out equals what was put in.
 *
 * Where Python may run (a number of another kind, the collector), nothing borrowed is held and
 * nothing of the ladder is pointed at: whoever runs there may change either.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

typedef struct {
    double key;
    double size;
} Level;

typedef struct {
    PyObject_HEAD
    double sign;
    double top;
    Level *levels;
    Py_ssize_t count;
    Py_ssize_t room;
} Ladder;

static const Py_ssize_t FIRST_ROOM = 64;
static const Py_ssize_t NEAR = 4;

static void
see_top(Ladder *self)
{
    self->top = self->count ? self->levels[self->count - 1].key : -Py_HUGE_VAL;
}

static int
make_room(Ladder *self, Py_ssize_t room)
{
    if (room <= self->room) {
        return 0;
    }
    if (room < 2 * self->room) {
        room = 2 * self->room;
    }
    if (room < FIRST_ROOM) {
        room = FIRST_ROOM;
    }
    Level *levels = self->levels;
    PyMem_Resize(levels, Level, room);
    if (levels == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    self->levels = levels;
    self->room = room;
    return 0;
}

/* Where the first of the lowest `count` levels is whose key is not below this one; `count` where
 * there is none. Without a branch that could be foretold wrongly. */
static Py_ssize_t
find(const Ladder *self, double key, Py_ssize_t count)
{
    const Level *base = self->levels;
    while (count > 1) {
        Py_ssize_t half = count >> 1;
        base += base[half - 1].key < key ? half : 0;
        count -= half;
    }
    return base - self->levels + (count == 1 && base->key < key);
}

/* `finger` is where the level before was: a venue names levels best first, so that the next one
 * lies below it and mostly near; it is moved on. */
static int
set_level(Ladder *self, double key, double size, Py_ssize_t *finger)
{
    const Level *levels = self->levels;
    Py_ssize_t at = *finger;
    if (at >= self->count || levels[at].key <= key) {
        at = find(self, key, self->count);
    }
    else {
        /* The key of `at` is above. */
        Py_ssize_t low = at > NEAR ? at - NEAR : 0;
        if (low > 0 && levels[low - 1].key >= key) {
            at = find(self, key, low);
        }
        else {
            while (at > low && levels[at - 1].key >= key) {
                at--;
            }
        }
    }
    *finger = at;
    if (at < self->count && self->levels[at].key == key) {
        if (size != 0.0) {
            self->levels[at].size = size;
        }
        else {
            self->count--;
            memmove(self->levels + at, self->levels + at + 1,
                    (size_t)(self->count - at) * sizeof(Level));
        }
        return 0;
    }
    if (size == 0.0) {
        return 0; /* binance 4.1 step 6: deleting an unknown price is normal */
    }
    if (make_room(self, self->count + 1) < 0) {
        return -1;
    }
    memmove(self->levels + at + 1, self->levels + at, (size_t)(self->count - at) * sizeof(Level));
    self->levels[at].key = key;
    self->levels[at].size = size;
    self->count++;
    return 0;
}

/* A (price, size) of any kind; -1 with an exception set where it is none. */
static int
read_level(PyObject *level, double *price, double *size)
{
    if (PyTuple_CheckExact(level) && PyTuple_GET_SIZE(level) == 2) {
        PyObject *first = PyTuple_GET_ITEM(level, 0), *second = PyTuple_GET_ITEM(level, 1);
        if (PyFloat_CheckExact(first) && PyFloat_CheckExact(second)) {
            *price = PyFloat_AS_DOUBLE(first);
            *size = PyFloat_AS_DOUBLE(second);
            return 0;
        }
    }
    PyObject *pair = PySequence_Tuple(level); /* our own: a list could lose what it holds */
    if (pair == NULL) {
        return -1;
    }
    if (PyTuple_GET_SIZE(pair) != 2) {
        PyErr_Format(PyExc_ValueError, "level: found %zd numbers, expected a price and a size",
                     PyTuple_GET_SIZE(pair));
        Py_DECREF(pair);
        return -1;
    }
    *price = PyFloat_AsDouble(PyTuple_GET_ITEM(pair, 0));
    if (!PyErr_Occurred()) {
        *size = PyFloat_AsDouble(PyTuple_GET_ITEM(pair, 1));
    }
    Py_DECREF(pair);
    return PyErr_Occurred() ? -1 : 0;
}

/* Levels that lie side by side as doubles, in two columns: none of them becomes an object. 1 where
 * these do, 0 without an error where they do not; -1 with one. */
static int
take_doubles(Ladder *self, PyObject *levels)
{
    Py_buffer view;
    if (!PyObject_CheckBuffer(levels)) {
        return 0;
    }
    if (PyObject_GetBuffer(levels, &view, PyBUF_C_CONTIGUOUS | PyBUF_FORMAT) < 0) {
        PyErr_Clear();
        return 0;
    }
    int fits = view.ndim == 2 && view.shape[1] == 2 && view.itemsize == sizeof(double) &&
               view.format != NULL && strcmp(view.format, "d") == 0;
    int failed = 0;
    Py_ssize_t finger = self->count;
    const char *row = view.buf;
    for (Py_ssize_t at = 0; fits && at < view.shape[0] && !failed; at++) {
        double level[2];
        memcpy(level, row, sizeof(level));
        row += sizeof(level);
        failed = set_level(self, self->sign * level[0], level[1], &finger) < 0;
    }
    see_top(self);
    PyBuffer_Release(&view);
    return failed ? -1 : fits;
}

static int
take(Ladder *self, PyObject *levels)
{
    if (!PyTuple_CheckExact(levels)) {
        int taken = take_doubles(self, levels);
        if (taken != 0) {
            return taken < 0 ? -1 : 0;
        }
    }
    PyObject *all = PySequence_Tuple(levels);
    if (all == NULL) {
        return -1;
    }
    int failed = 0;
    Py_ssize_t finger = self->count;
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(all) && !failed; at++) {
        double price = 0.0, size = 0.0;
        failed = read_level(PyTuple_GET_ITEM(all, at), &price, &size) < 0 ||
                 set_level(self, self->sign * price, size, &finger) < 0;
    }
    Py_DECREF(all);
    see_top(self);
    return failed ? -1 : 0;
}

static PyObject *
ladder_change(Ladder *self, PyObject *levels)
{
    if (take(self, levels) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
ladder_fill(Ladder *self, PyObject *levels)
{
    /* Read first, as this may run Python, which may read us or raise. */
    PyObject *all = PyObject_CheckBuffer(levels) ? Py_NewRef(levels) : PySequence_Tuple(levels);
    if (all == NULL) {
        return NULL;
    }
    self->count = 0;
    see_top(self);
    PyObject *done = ladder_change(self, all);
    Py_DECREF(all);
    return done;
}

static PyObject *
ladder_size(Ladder *self, PyObject *price)
{
    double key = PyFloat_AsDouble(price);
    if (key == -1.0 && PyErr_Occurred()) {
        return NULL;
    }
    key *= self->sign;
    Py_ssize_t at = find(self, key, self->count);
    int held = at < self->count && self->levels[at].key == key;
    return PyFloat_FromDouble(held ? self->levels[at].size : 0.0);
}

static PyObject *
ladder_levels(Ladder *self, PyObject *arguments)
{
    Py_ssize_t start = 0, count = PY_SSIZE_T_MAX;
    if (!PyArg_ParseTuple(arguments, "|nn:levels", &start, &count)) {
        return NULL;
    }
    if (start < 0 || count < 0) {
        PyErr_SetString(PyExc_ValueError, "levels: expected a start and a count of 0 or more");
        return NULL;
    }
    Py_ssize_t left = start < self->count ? self->count - start : 0;
    if (count > left) {
        count = left;
    }
    if (count == 0) {
        return PyList_New(0);
    }
    Level *copy = PyMem_New(Level, count); /* a new tuple may let the collector run */
    if (copy == NULL) {
        return PyErr_NoMemory();
    }
    memcpy(copy, self->levels + (self->count - start - count), (size_t)count * sizeof(Level));
    PyObject *found = PyList_New(count);
    for (Py_ssize_t at = 0; found != NULL && at < count; at++) {
        const Level *level = copy + (count - 1 - at);
        PyObject *pair = Py_BuildValue("(dd)", self->sign * level->key, level->size);
        if (pair == NULL) {
            Py_CLEAR(found);
        }
        else {
            PyList_SET_ITEM(found, at, pair);
        }
    }
    PyMem_Free(copy);
    return found;
}

static Py_ssize_t
ladder_len(Ladder *self)
{
    return self->count;
}

static PyObject *
ladder_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    double sign;
    static char *words[] = {"sign", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "d:Ladder", words, &sign)) {
        return NULL;
    }
    Ladder *self = (Ladder *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->sign = sign;
        see_top(self);
    }
    return (PyObject *)self;
}

static void
ladder_dealloc(Ladder *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyMem_Free(self->levels);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"fill", (PyCFunction)ladder_fill, METH_O, "Hold these levels and no others."},
    {"change", (PyCFunction)ladder_change, METH_O, "Set these levels to their new sizes."},
    {"size", (PyCFunction)ladder_size, METH_O, "The size held at a price, 0.0 where none is."},
    {"levels", (PyCFunction)ladder_levels, METH_VARARGS,
     "levels(start=0, count=all): levels held, best first, from the start-th on."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"top", T_DOUBLE, offsetof(Ladder, top), READONLY, "The best key, or -inf."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The levels of one side, sorted; see `pitwire.market.ladder`."},
    {Py_tp_new, ladder_new},
    {Py_tp_dealloc, ladder_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {Py_sq_length, ladder_len},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "pitwire.market._ladder.Ladder",
    .basicsize = sizeof(Ladder),
    /* Nothing can be put on the type, so it is in no cycle with what is made of it. */
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = slots,
};

static int
set_up(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddType(module, (PyTypeObject *)type) < 0 ||
                 PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE) < 0;
    Py_DECREF(type);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_ladder",
    .m_doc = "The compiled twin of pitwire.market.ladder.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__ladder(void)
{
    return PyModuleDef_Init(&module);
}
