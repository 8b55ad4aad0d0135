/* The compiled twin of `Waiting`: what waits for the thread that writes a tape.
 *
 * Plain frames of a market line go, as the records that they are on the tape, one behind the other
 * into one buffer; all else stays the object that it was, between two lots of such records. What
 * is rare (a line without a number, a frame that we sent) is handed to who knows it.
 *
 * Nothing here lets go of the interpreter while anything is half done: the objects that may wake
 * its collector are made before anything changes.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

enum { HEAD = 15, DRAINED = 0x80, MOST_LINKS = 0xFFFF, SMALL = 1 << 16 };
/* `HEAD`: bytes of a record before its payload, `format.RECORD`. */
enum { SPARES = 2, KEPT = 1 << 20 }; /* lots whose bytes are used again, and how long they may be */
static const Py_ssize_t LOT = 8 << 20; /* bytes of a lot, but for a record that is longer */

typedef struct {
    PyObject *lot; /* NULL, or bytes that may still be with whoever took them */
    Py_ssize_t room;
} Spare;

typedef struct {
    PyObject_HEAD
    PyObject *numbers, *rare, *taken;
    PyObject *link, *in;          /* whose frame was the last one, or NULL; and "in" */
    long number;                  /* of that line: a line keeps its number */
    PyObject *filled;             /* bytes that nobody else has seen: the lot, or NULL */
    Py_ssize_t room, size, count; /* of the lot that is being filled */
    Py_ssize_t before;            /* bytes of the lot before */
    int64_t first, last;
    Py_ssize_t most, waiting, hole;
    Spare spares[SPARES];
} Waiting;

/* ── the lot ───────────────────────────────────────────────────────────────────────────────── */

/* A lot that nobody has any more is filled anew: its pages are there already.
 * It was handed out with the size of what was in it, and has more room than that. */
static int
use_again(Waiting *self, Py_ssize_t more)
{
    for (Spare *spare = self->spares; spare < self->spares + SPARES; spare++) {
        if (spare->lot != NULL && spare->room >= more && Py_REFCNT(spare->lot) == 1) {
            self->filled = spare->lot;
            self->room = spare->room;
            spare->lot = NULL;
            return 1;
        }
    }
    return 0;
}

/* Where the lot, which is about to be handed out, is kept to be used again; NULL where it is not.
 * One that is small for what comes now makes way. */
static Spare *
place_of(Waiting *self)
{
    for (Spare *spare = self->spares; self->room <= KEPT && spare < self->spares + SPARES; spare++) {
        if (spare->lot == NULL || (spare->room < self->room && Py_REFCNT(spare->lot) == 1)) {
            return spare;
        }
    }
    return NULL;
}

/* It says that it is as long as what is in it, and keeps its room. */
static int
seem_trimmed(Waiting *self)
{
    PyBytesObject *lot = (PyBytesObject *)self->filled;
    Py_SET_SIZE(lot, self->size);
    lot->ob_sval[self->size] = 0;
    _Py_COMP_DIAG_PUSH
    _Py_COMP_DIAG_IGNORE_DEPR_DECLS
    lot->ob_shash = -1; /* of what was in it before */
    _Py_COMP_DIAG_POP
    return 1;
}

/* A lot grows in the very bytes that are handed out. The next one is given room for as much as the
 * one before had, so that few are moved: what is not used of that is never touched. */
static int
make_room(Waiting *self, Py_ssize_t more)
{
    if (more <= self->room - self->size || (!self->room && use_again(self, more))) {
        return 1;
    }
    Py_ssize_t wanted = self->room ? self->room : SMALL;
    while (wanted - self->size < more || (!self->room && wanted < self->before)) {
        if (wanted > PY_SSIZE_T_MAX / 2) {
            PyErr_NoMemory();
            return 0;
        }
        wanted *= 2;
    }
    PyObject *found = PyBytes_FromStringAndSize(NULL, wanted);
    if (found == NULL) {
        return 0;
    }
    if (self->size) {
        memcpy(PyBytes_AS_STRING(found), PyBytes_AS_STRING(self->filled), (size_t)self->size);
    }
    Py_XSETREF(self->filled, found);
    self->room = wanted;
    return 1;
}

/* No byte more than is used; what does not even find room for that is counted as lost. */
static int
trim(Waiting *self)
{
    if (self->size < self->room && _PyBytes_Resize(&self->filled, self->size) < 0) {
        self->hole += self->count;
        self->waiting -= self->count;
        self->room = self->size = self->count = 0;
        return 0;
    }
    self->room = self->size;
    return 1;
}

/* The lot is an object of its own from here on; an empty one is none. */
static int
seal(Waiting *self)
{
    if (!self->size) {
        return 1;
    }
    PyObject *lot = PyTuple_New(4); /* may collect; nothing from here on does */
    if (lot == NULL || !self->size) { /* whoever was collected may have taken it */
        Py_XDECREF(lot);
        return lot != NULL;
    }
    PyTuple_SET_ITEM(lot, 1, PyLong_FromSsize_t(self->count));
    PyTuple_SET_ITEM(lot, 2, PyLong_FromLongLong(self->first));
    PyTuple_SET_ITEM(lot, 3, PyLong_FromLongLong(self->last));
    int failed = 0;
    for (int part = 1; part < 4; part++) {
        failed |= PyTuple_GET_ITEM(lot, part) == NULL;
    }
    Spare *place = place_of(self);
    if (!failed && (place != NULL ? seem_trimmed(self) : trim(self))) {
        PyTuple_SET_ITEM(lot, 0, Py_NewRef(self->filled));
        failed = PyList_Append(self->taken, lot) < 0;
    } else {
        failed = 1;
    }
    Py_DECREF(lot);
    if (!failed) {
        self->before = self->size;
        if (place != NULL) {
            Py_XSETREF(place->lot, self->filled);
            place->room = self->room;
            self->filled = NULL;
        }
        Py_CLEAR(self->filled);
        self->room = self->size = self->count = 0;
    }
    return !failed;
}

static void
put_little(unsigned char *at, uint64_t number, int bytes)
{
    for (int byte = 0; byte < bytes; byte++) {
        at[byte] = (unsigned char)(number >> (8 * byte));
    }
}

static int
put(Waiting *self, const Py_buffer *frame, int64_t now, int drained, long number)
{
    if (frame->len > (Py_ssize_t)UINT32_MAX || frame->len > PY_SSIZE_T_MAX / 4) {
        PyErr_SetString(PyExc_OverflowError, "frame: found one that is longer than a record");
        return 0;
    }
    Py_ssize_t more = HEAD + frame->len;
    if ((self->size + more > LOT && !seal(self)) || !make_room(self, more)) {
        return 0;
    }
    unsigned char *at = (unsigned char *)PyBytes_AS_STRING(self->filled) + self->size;
    put_little(at, (uint64_t)now, 8);
    put_little(at + 8, (uint64_t)frame->len, 4);
    at[12] = drained ? DRAINED : 0; /* of `Kind.IN`, which is 0 */
    put_little(at + 13, (uint64_t)number, 2);
    if (frame->len) {
        memcpy(at + HEAD, frame->buf, (size_t)frame->len);
    }
    self->first = self->count ? self->first : now;
    self->last = now;
    self->size += more;
    self->count++;
    self->waiting++;
    return 1;
}

/* ── what others call ──────────────────────────────────────────────────────────────────────── */

/* Its number, which is looked up where another line was heard before; without one it is rare. */
static int
learn_line(Waiting *self, PyObject *link)
{
    PyObject *known = PyDict_GetItemWithError(self->numbers, link);
    if (known == NULL) {
        return 0;
    }
    long number = PyLong_AsLong(known);
    if (number == -1 && PyErr_Occurred()) {
        return 0;
    }
    if (number < 0 || number > MOST_LINKS) {
        PyErr_Format(PyExc_OverflowError, "frame: found %ld as a line's number", number);
        return 0;
    }
    Py_XSETREF(self->link, Py_NewRef(link));
    self->number = number;
    return 1;
}

static PyObject *
frame(Waiting *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 5 || !PyUnicode_Check(arguments[0]) || !PyUnicode_Check(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "frame: expected link, direction, frame, now, drained");
        return NULL;
    }
    if (arguments[0] != self->link && !learn_line(self, arguments[0])) {
        return PyErr_Occurred() ? NULL
                                : PyObject_Vectorcall(self->rare, arguments, (size_t)count, NULL);
    }
    if (arguments[1] != self->in && PyUnicode_CompareWithASCIIString(arguments[1], "in")) {
        return PyObject_Vectorcall(self->rare, arguments, (size_t)count, NULL);
    }
    if (self->waiting >= self->most) {
        self->hole++;
        Py_RETURN_NONE;
    }
    long number = self->number; /* what follows may be anybody's code, and hear another line */
    long long now = PyLong_AsLongLong(arguments[3]);
    int drained = PyObject_IsTrue(arguments[4]);
    if (drained < 0 || (now == -1 && PyErr_Occurred())) {
        return NULL;
    }
    Py_buffer view;
    if (PyObject_GetBuffer(arguments[2], &view, PyBUF_SIMPLE) < 0) {
        return NULL;
    }
    int is_put = put(self, &view, now, drained, number);
    PyBuffer_Release(&view);
    if (!is_put) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
add(Waiting *self, PyObject *entry)
{
    if (self->waiting >= self->most) {
        self->hole++;
    } else if (!seal(self) || PyList_Append(self->taken, entry) < 0) {
        return NULL;
    } else {
        self->waiting++;
    }
    Py_RETURN_NONE;
}

static PyObject *
take(Waiting *self, PyObject *nothing)
{
    (void)nothing;
    PyObject *fresh = PyList_New(0), *told = PyTuple_New(3);
    if (fresh == NULL || told == NULL || !seal(self)) {
        Py_XDECREF(fresh);
        Py_XDECREF(told);
        return NULL;
    }
    PyObject *waiting = PyLong_FromSsize_t(self->waiting), *hole = PyLong_FromSsize_t(self->hole);
    if (waiting == NULL || hole == NULL) {
        Py_XDECREF(waiting);
        Py_XDECREF(hole);
        Py_DECREF(fresh);
        Py_DECREF(told);
        return NULL;
    }
    PyTuple_SET_ITEM(told, 0, self->taken);
    PyTuple_SET_ITEM(told, 1, waiting);
    PyTuple_SET_ITEM(told, 2, hole);
    self->taken = fresh;
    self->waiting = self->hole = 0;
    return told;
}

/* ── what is sought ────────────────────────────────────────────────────────────────────────── */

/* Four bytes in a row are the least that tells needles from the rest. Whoever looks at every
 * `stride`-th place sees such four of each needle that is there, wherever that begins. */
enum { GRAM = 4, SLOTS = 1 << 16 };

typedef struct {
    const char *raw;
    Py_ssize_t size;
    PyObject *needles, *found; /* a tuple of bytes, and a set of those that were met */
    uint8_t known[SLOTS / 8];
} Search;

static unsigned
slot_of(const char *at)
{
    uint32_t gram;
    memcpy(&gram, at, GRAM);
    return (gram * 2654435761u) >> 16; /* Knuth's multiplier: the upper half is mixed best */
}

static int
is_around(const Search *search, Py_ssize_t at, PyObject *needle)
{
    const char *text = PyBytes_AS_STRING(needle);
    Py_ssize_t size = PyBytes_GET_SIZE(needle);
    for (Py_ssize_t offset = 0; offset <= size - GRAM && offset <= at; offset++) {
        const char *begin = search->raw + at - offset;
        if (size <= search->size - (at - offset) && !memcmp(begin, text, (size_t)size)) {
            return 1;
        }
    }
    return 0;
}

/* Note which of the needles lie over this place. */
static int
note(Search *search, Py_ssize_t at)
{
    for (Py_ssize_t number = 0; number < PyTuple_GET_SIZE(search->needles); number++) {
        PyObject *needle = PyTuple_GET_ITEM(search->needles, number);
        if (is_around(search, at, needle) && PySet_Add(search->found, needle) < 0) {
            return 0;
        }
    }
    return 1;
}

static int
go_through(Search *search, Py_ssize_t stride)
{
    for (Py_ssize_t at = stride - 1; at <= search->size - GRAM; at += stride) {
        unsigned slot = slot_of(search->raw + at);
        if ((search->known[slot / 8] >> (slot % 8) & 1) && !note(search, at)) {
            return 0;
        }
    }
    return 1;
}

/* Each by itself: needles that are too short for the other way. */
static int
look_for_each(Search *search, PyObject *raw)
{
    for (Py_ssize_t number = 0; number < PyTuple_GET_SIZE(search->needles); number++) {
        PyObject *needle = PyTuple_GET_ITEM(search->needles, number);
        int is_there = PySequence_Contains(raw, needle);
        if (is_there < 0 || (is_there && PySet_Add(search->found, needle) < 0)) {
            return 0;
        }
    }
    return 1;
}

/* The length of the shortest needle; -1 with an error where one is no bytes. */
static Py_ssize_t
learn(Search *search)
{
    Py_ssize_t least = PY_SSIZE_T_MAX;
    for (Py_ssize_t number = 0; number < PyTuple_GET_SIZE(search->needles); number++) {
        PyObject *needle = PyTuple_GET_ITEM(search->needles, number);
        if (!PyBytes_CheckExact(needle)) {
            PyErr_SetString(PyExc_TypeError, "needles_in: expected needles that are bytes");
            return -1;
        }
        Py_ssize_t size = PyBytes_GET_SIZE(needle);
        least = size < least ? size : least;
        for (Py_ssize_t at = 0; at <= size - GRAM; at++) {
            unsigned slot = slot_of(PyBytes_AS_STRING(needle) + at);
            search->known[slot / 8] |= (uint8_t)(1 << (slot % 8));
        }
    }
    return least;
}

static PyObject *
needles_in(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    (void)module;
    if (count != 2 || !PyBytes_CheckExact(arguments[0]) || !PyTuple_CheckExact(arguments[1])) {
        PyErr_SetString(PyExc_TypeError, "needles_in: expected bytes and a tuple of bytes");
        return NULL;
    }
    PyObject *raw = arguments[0];
    Search search = {.raw = PyBytes_AS_STRING(raw), .size = PyBytes_GET_SIZE(raw),
                     .needles = arguments[1]};
    Py_ssize_t least = learn(&search);
    search.found = least < 0 ? NULL : PySet_New(NULL);
    if (search.found == NULL) {
        return NULL;
    }
    int done = least < GRAM ? look_for_each(&search, raw) : go_through(&search, least - GRAM + 1);
    if (!done) {
        Py_CLEAR(search.found);
    }
    return search.found;
}

/* ── the type and the module ───────────────────────────────────────────────────────────────── */

static PyObject *
make(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *numbers, *rare;
    Py_ssize_t most;
    if (named != NULL && PyDict_GET_SIZE(named)) {
        PyErr_SetString(PyExc_TypeError, "Waiting: expected numbers, rare, most, without names");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "O!On:Waiting", &PyDict_Type, &numbers, &rare, &most)) {
        return NULL;
    }
    PyObject *taken = PyList_New(0);
    Waiting *self = taken == NULL ? NULL : (Waiting *)type->tp_alloc(type, 0);
    if (self == NULL) {
        Py_XDECREF(taken);
        return NULL;
    }
    self->in = PyUnicode_InternFromString("in"); /* without it each is compared, as others are */
    if (self->in == NULL) {
        PyErr_Clear();
    }
    self->numbers = Py_NewRef(numbers);
    self->rare = Py_NewRef(rare);
    self->taken = taken;
    self->most = most;
    return (PyObject *)self;
}

static int
traverse(Waiting *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->numbers);
    Py_VISIT(self->rare);
    Py_VISIT(self->taken);
    return 0;
}

/* `numbers` and `taken` cannot be without each other's `rare`, so a cycle ends there alone. */
static int
clear(Waiting *self)
{
    PyObject *rare = self->rare;
    self->rare = Py_NewRef(Py_None);
    Py_XDECREF(rare);
    return 0;
}

static void
release(Waiting *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(self->numbers);
    Py_XDECREF(self->rare);
    Py_XDECREF(self->taken);
    Py_XDECREF(self->filled);
    Py_XDECREF(self->link);
    Py_XDECREF(self->in);
    for (int spare = 0; spare < SPARES; spare++) {
        Py_XDECREF(self->spares[spare].lot);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"frame", (PyCFunction)(void (*)(void))frame, METH_FASTCALL,
     "frame(link, direction, frame, now, drained): a frame came or went; its bytes are copied."},
    {"add", (PyCFunction)(void (*)(void))add, METH_O, "add(entry): something else waits."},
    {"take", (PyCFunction)(void (*)(void))take, METH_NOARGS,
     "take(): all that waits, how many, and how many found no room."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The compiled twin of `pitwire.tape.waiting.Waiting`."},
    {Py_tp_new, make},
    {Py_tp_traverse, traverse},
    {Py_tp_clear, clear},
    {Py_tp_dealloc, release},
    {Py_tp_methods, methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "pitwire.tape._waiting.Waiting",
    .basicsize = sizeof(Waiting),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
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

static PyMethodDef functions[] = {
    {"needles_in", (PyCFunction)(void (*)(void))needles_in, METH_FASTCALL,
     "needles_in(raw, needles): those of them that are somewhere in it."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_waiting",
    .m_doc = "The compiled twin of what waits for a tape.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__waiting(void)
{
    return PyModuleDef_Init(&module);
}
