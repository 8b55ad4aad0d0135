/* The compiled twin of `Slate.note`: an order that was decided, put on the slate in one call.
 *
 * A pen writes the record as msgspec would, with its check and its place, to where slate.py says. Of
 * every other record, and of an order with anything in it that is not written as nearly all are (a
 * letter that JSON escapes or that is not ASCII, a float of more than fifteen digits, a number below
 * zero, a whole number for a price), and where there is no room, it says no and has done nothing:
 * slate.py decides.
 *
 * It is also all that an order waits for: `write` and `commit` of a journal are its own while it is
 * open, so that nothing of that journal is met cold on the order's way.
 */

#define NDEBUG /* what Python's headers assert would be met cold, too */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <structmember.h>

#if FLT_EVAL_METHOD != 0
#error "a double must be computed as one, or its digits are others than msgspec's"
#endif

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

enum { ROOM = 2048, HEAD = 24, STANDS = 16 };
/* `ROOM`: bytes of a payload; a longer one is written by slate.py. */

#define DECIDED(X) X(at) X(command) X(bid) X(ask)
#define ORDER(X)                                                                                  \
    X(id) X(symbol) X(side) X(type) X(size) X(quote_size) X(price) X(stop_price) X(trailing_bips) \
    X(time_in_force) X(reduce_only) X(tag) X(rule) X(cause) X(decided)
#define CAUSE(X) X(event) X(symbol) X(venue_time) X(received) X(detail)
#define AS_TEXT(name) #name,
#define AS_PLACE(name) D_##name,
enum { DECIDED(AS_PLACE) DECIDED_FIELDS };
#undef AS_PLACE
#define AS_PLACE(name) O_##name,
enum { ORDER(AS_PLACE) ORDER_FIELDS };
#undef AS_PLACE
#define AS_PLACE(name) C_##name,
enum { CAUSE(AS_PLACE) CAUSE_FIELDS };
static const char *const IN_DECIDED[] = {DECIDED(AS_TEXT)};
static const char *const IN_ORDER[] = {ORDER(AS_TEXT)};
static const char *const IN_CAUSE[] = {CAUSE(AS_TEXT)};

/* A struct's type, and where its objects have each field. */
typedef struct {
    PyTypeObject *type;
    unsigned short place[ORDER_FIELDS];
} Shape;

typedef struct {
    Shape decided, order, cause;
    PyTypeObject *side, *kind, *time_in_force, *decimal;
} Known;

enum { TYPES = 7 };
#define TYPES_OF(known)                                                                           \
    &(known)->decided.type, &(known)->order.type, &(known)->cause.type, &(known)->side,           \
        &(known)->kind, &(known)->time_in_force, &(known)->decimal

/* What is being written. `fits` is 0 once slate.py is to decide, or an error is set. */
typedef struct {
    int fits;
    Py_ssize_t size;
    char text[ROOM];
} Page;

/* ── parts of a text ───────────────────────────────────────────────────────────────────────── */

static char *
room_for(Page *page, Py_ssize_t size)
{
    if (!page->fits || size > ROOM - page->size) {
        page->fits = 0;
        return NULL;
    }
    char *at = page->text + page->size;
    page->size += size;
    return at;
}

static void
put(Page *page, const char *text, Py_ssize_t size)
{
    char *at = room_for(page, size);
    if (at != NULL) {
        memcpy(at, text, (size_t)size);
    }
}

#define PUT(page, literal) put(page, literal, (Py_ssize_t)sizeof(literal) - 1)

/* Letters that stand for themselves, within quotation marks. */
static void
put_letters(Page *page, const char *text, Py_ssize_t size)
{
    char *at = size > ROOM ? (page->fits = 0, NULL) : room_for(page, size + 2);
    if (at == NULL) {
        return;
    }
    int stands = 1;
    *at++ = '"';
    for (Py_ssize_t number = 0; number < size; number++) {
        char one = text[number];
        stands &= one >= ' ' && one != '"' && one != '\\';
        *at++ = one;
    }
    *at = '"';
    page->fits = stands;
}

static void
put_text(Page *page, PyObject *value)
{
    if (value == NULL || !PyUnicode_CheckExact(value) || !PyUnicode_IS_COMPACT_ASCII(value)) {
        page->fits = 0;
        return;
    }
    put_letters(page, (const char *)PyUnicode_1BYTE_DATA(value), PyUnicode_GET_LENGTH(value));
}

/* A word of this enumeration, which is the text that it means. */
static void
put_word(Page *page, PyObject *value, PyTypeObject *type)
{
    Py_ssize_t size;
    if (value == NULL || !Py_IS_TYPE(value, type) || !page->fits) {
        page->fits = 0;
        return;
    }
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    if (text == NULL) {
        page->fits = 0;
        return;
    }
    put_letters(page, text, size);
}

static void
put_digits(Page *page, uint64_t number, int least)
{
    char digits[20];
    int count = 0;
    do {
        digits[count++] = (char)('0' + number % 10);
        number /= 10;
    } while (number || count < least);
    char *at = room_for(page, count);
    while (at != NULL && count) {
        *at++ = digits[--count];
    }
}

static void
put_whole(Page *page, PyObject *value)
{
    int over = 0;
    if (value == NULL || !PyLong_CheckExact(value)) {
        page->fits = 0;
        return;
    }
    long long number = PyLong_AsLongLongAndOverflow(value, &over);
    if (over || number < 0) {
        page->fits = 0;
        return;
    }
    put_digits(page, (uint64_t)number, 1);
}

/* A decimal, or nothing. */
static void
put_decimal(Page *page, PyObject *value, PyTypeObject *decimal)
{
    if (value == Py_None) {
        PUT(page, "null");
        return;
    }
    if (value == NULL || !Py_IS_TYPE(value, decimal) || !page->fits) {
        page->fits = 0;
        return;
    }
    PyObject *text = PyObject_Str(value);
    put_text(page, text);
    Py_XDECREF(text);
}

/* The shortest digits that mean this float, where fifteen are enough: then no two of as many mean
 * the same one, so the first that do are the shortest. All that is computed is rounded once. */
static void
put_real(Page *page, PyObject *value)
{
    static const uint64_t TENS[] = {1ULL,
                                    10ULL,
                                    100ULL,
                                    1000ULL,
                                    10000ULL,
                                    100000ULL,
                                    1000000ULL,
                                    10000000ULL,
                                    100000000ULL,
                                    1000000000ULL,
                                    10000000000ULL,
                                    100000000000ULL,
                                    1000000000000ULL,
                                    10000000000000ULL,
                                    100000000000000ULL,
                                    1000000000000000ULL};
    double real = value != NULL && PyFloat_CheckExact(value) ? PyFloat_AS_DOUBLE(value) : -1.0;
    int is_usual = (real >= 1e-5 && real < 1e15) || (real == 0.0 && !signbit(real));
    for (int digits = 0; is_usual && digits < 16; digits++) {
        double scaled = real * (double)TENS[digits];
        if (scaled >= 1e15) {
            break;
        }
        uint64_t found = (uint64_t)(scaled + 0.5);
        if ((double)found / (double)TENS[digits] == real) {
            put_digits(page, found / TENS[digits], 1);
            PUT(page, ".");
            put_digits(page, found % TENS[digits], digits ? digits : 1);
            return;
        }
    }
    page->fits = 0;
}

/* ── the record ────────────────────────────────────────────────────────────────────────────── */

/* What a struct has in this field, borrowed: it is frozen, and held by who calls. */
static PyObject *
field(const Shape *shape, PyObject *from, int number)
{
    return *(PyObject **)((char *)from + shape->place[number]);
}

static void
put_cause(Page *page, const Known *known, PyObject *cause)
{
    const Shape *shape = &known->cause;
    if (cause == Py_None) {
        PUT(page, "null");
        return;
    }
    if (cause == NULL || !Py_IS_TYPE(cause, shape->type)) {
        page->fits = 0;
        return;
    }
    PUT(page, "{\"event\":");
    put_text(page, field(shape, cause, C_event));
    PUT(page, ",\"symbol\":");
    put_text(page, field(shape, cause, C_symbol));
    PUT(page, ",\"venue_time\":");
    put_whole(page, field(shape, cause, C_venue_time));
    PUT(page, ",\"received\":");
    put_whole(page, field(shape, cause, C_received));
    PUT(page, ",\"detail\":");
    put_text(page, field(shape, cause, C_detail));
    PUT(page, "}");
}

static void
put_order(Page *page, const Known *known, PyObject *order)
{
    const Shape *shape = &known->order;
    PyObject *reduces = field(shape, order, O_reduce_only);
    page->fits = page->fits && (reduces == Py_True || reduces == Py_False) &&
                 field(shape, order, O_trailing_bips) == Py_None;
    PUT(page, "{\"kind\":\"Order\",\"id\":");
    put_text(page, field(shape, order, O_id));
    PUT(page, ",\"symbol\":");
    put_text(page, field(shape, order, O_symbol));
    PUT(page, ",\"side\":");
    put_word(page, field(shape, order, O_side), known->side);
    PUT(page, ",\"type\":");
    put_word(page, field(shape, order, O_type), known->kind);
    PUT(page, ",\"size\":");
    put_decimal(page, field(shape, order, O_size), known->decimal);
    PUT(page, ",\"quote_size\":");
    put_decimal(page, field(shape, order, O_quote_size), known->decimal);
    PUT(page, ",\"price\":");
    put_decimal(page, field(shape, order, O_price), known->decimal);
    PUT(page, ",\"stop_price\":");
    put_decimal(page, field(shape, order, O_stop_price), known->decimal);
    PUT(page, ",\"trailing_bips\":null,\"time_in_force\":");
    put_word(page, field(shape, order, O_time_in_force), known->time_in_force);
    PUT(page, ",\"reduce_only\":");
    put(page, reduces == Py_True ? "true" : "false", reduces == Py_True ? 4 : 5);
    PUT(page, ",\"tag\":");
    put_text(page, field(shape, order, O_tag));
    PUT(page, ",\"rule\":");
    put_text(page, field(shape, order, O_rule));
    PUT(page, ",\"cause\":");
    put_cause(page, known, field(shape, order, O_cause));
    PUT(page, ",\"decided\":");
    put_whole(page, field(shape, order, O_decided));
    PUT(page, "}");
}

static void
put_record(Page *page, const Known *known, PyObject *record)
{
    const Shape *shape = &known->decided;
    PyObject *command = Py_IS_TYPE(record, shape->type) ? field(shape, record, D_command) : NULL;
    if (command == NULL || !Py_IS_TYPE(command, known->order.type)) {
        page->fits = 0;
        return;
    }
    PUT(page, "{\"record\":\"Decided\",\"at\":");
    put_whole(page, field(shape, record, D_at));
    PUT(page, ",\"command\":");
    put_order(page, known, command);
    PUT(page, ",\"bid\":");
    put_real(page, field(shape, record, D_bid));
    PUT(page, ",\"ask\":");
    put_real(page, field(shape, record, D_ask));
    PUT(page, "}");
}

/* ── the slate ─────────────────────────────────────────────────────────────────────────────── */

/* Adler-32 (RFC 1950), of a payload that is short enough for one division at its end. */
static uint32_t
check_of(const char *text, Py_ssize_t size)
{
    uint32_t sum = 1, sums = 0;
    for (Py_ssize_t at = 0; at < size; at++) {
        sum += (unsigned char)text[at];
        sums += sum;
    }
    return (sums % 65521) << 16 | sum % 65521;
}

static void
put_little(char *at, uint32_t number)
{
    for (int byte = 0; byte < 4; byte++) {
        at[byte] = (char)(number >> (8 * byte));
    }
}

/* Where on a slate the next entry goes, and what its head ends with. */
typedef struct {
    PyObject_HEAD
    const Known *known; /* of the module, which the type holds */
    Py_ssize_t end;
    char stands[STANDS];
    char is_open;
    PyObject *nothing; /* what there is to say of a commit where all is put down */
    Py_buffer slate;
    PyObject *over, *commit; /* take what is not put down, and see to it */
} Pen;

/* Whether the page stands on the slate now; 0 where there is no room, or no slate any more: writing
 * the page may run code of others (a number's text, the collector), which may have let go of it. */
static int
put_down(Pen *pen, const Page *page)
{
    char head[HEAD], *at = pen->slate.buf;
    Py_ssize_t begin = pen->end;
    if (at == NULL || begin < 0 || begin > pen->slate.len ||
        page->size + 2 * HEAD > pen->slate.len - begin) {
        return 0;
    }
    put_little(head, check_of(page->text, page->size));
    put_little(head + 4, (uint32_t)page->size);
    memcpy(head + 8, pen->stands, STANDS);
    memcpy(at + begin + HEAD, page->text, (size_t)page->size);
    /* The head last, so that whoever dies before has put nothing down. */
    atomic_signal_fence(memory_order_seq_cst);
    memcpy(at + begin, head, HEAD);
    pen->end = begin + HEAD + page->size;
    return 1;
}

/* 1: it is put down; 0: nothing is done; -1: an error is set. */
static int
noted(Pen *pen, PyObject *record)
{
    Page page;
    if (pen->slate.buf == NULL) {
        PyErr_SetString(PyExc_ValueError, "the slate is closed");
        return -1;
    }
    page.fits = 1;
    page.size = 0;
    put_record(&page, pen->known, record);
    if (PyErr_Occurred()) {
        return -1;
    }
    return page.fits && put_down(pen, &page);
}

static PyObject *
pen_note(Pen *pen, PyObject *record)
{
    int done = noted(pen, record);
    return done < 0 ? NULL : PyBool_FromLong(done);
}

static PyObject *
pen_write(Pen *pen, PyObject *record)
{
    int done = pen->is_open ? noted(pen, record) : 0;
    if (done < 0) {
        return NULL;
    }
    if (done) {
        Py_RETURN_NONE;
    }
    if (pen->over == NULL) {
        PyErr_SetString(PyExc_ValueError, "a pen that is no more");
        return NULL;
    }
    return PyObject_CallOneArg(pen->over, record);
}

/* All that is written and not handed over is on the slate, so nothing is left to do. */
static PyObject *
pen_commit(Pen *pen, PyObject *Py_UNUSED(nothing))
{
    if (pen->is_open) {
        Py_INCREF(pen->nothing);
        return pen->nothing;
    }
    if (pen->commit == NULL) {
        PyErr_SetString(PyExc_ValueError, "a pen that is no more");
        return NULL;
    }
    return PyObject_CallNoArgs(pen->commit);
}

static PyObject *
pen_release(Pen *pen, PyObject *Py_UNUSED(nothing))
{
    pen->is_open = 0;
    if (pen->slate.buf != NULL) {
        PyBuffer_Release(&pen->slate);
        pen->slate.buf = NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *
pen_new(PyTypeObject *type, PyObject *arguments, PyObject *Py_UNUSED(named))
{
    PyObject *slate, *over, *commit;
    const char *stands;
    Py_ssize_t end, size;
    if (!PyArg_ParseTuple(arguments, "Ony#OO:Pen", &slate, &end, &stands, &size, &over,
                          &commit)) {
        return NULL;
    }
    const Known *known = PyType_GetModuleState(type);
    if (size != STANDS || known == NULL || known->order.type == NULL) {
        PyErr_SetString(PyExc_TypeError, "Pen: expected all of a head's end, after `know`");
        return NULL;
    }
    Pen *pen = (Pen *)type->tp_alloc(type, 0);
    if (pen == NULL) {
        return NULL;
    }
    pen->nothing = PyUnicode_FromString("");
    if (pen->nothing == NULL || PyObject_GetBuffer(slate, &pen->slate, PyBUF_WRITABLE) < 0) {
        pen->slate.buf = NULL;
        Py_DECREF(pen);
        return NULL;
    }
    memcpy(pen->stands, stands, STANDS);
    pen->end = end;
    pen->known = known;
    Py_INCREF(over);
    pen->over = over;
    Py_INCREF(commit);
    pen->commit = commit;
    return (PyObject *)pen;
}

static PyObject *
pen_move(Pen *pen, PyObject *arguments)
{
    const char *stands;
    Py_ssize_t end, size;
    if (!PyArg_ParseTuple(arguments, "ny#:move", &end, &stands, &size)) {
        return NULL;
    }
    if (size != STANDS) {
        PyErr_SetString(PyExc_TypeError, "move: expected all of a head's end");
        return NULL;
    }
    memcpy(pen->stands, stands, STANDS);
    pen->end = end;
    Py_RETURN_NONE;
}

static int
pen_traverse(Pen *pen, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(pen));
    Py_VISIT(pen->over);
    Py_VISIT(pen->commit);
    Py_VISIT(pen->slate.obj);
    return 0;
}

static int
pen_clear(Pen *pen)
{
    Py_CLEAR(pen->over);
    Py_CLEAR(pen->commit);
    return 0;
}

static void
pen_end(Pen *pen)
{
    PyTypeObject *type = Py_TYPE(pen);
    PyObject_GC_UnTrack(pen);
    Py_XDECREF(pen_release(pen, NULL));
    pen_clear(pen);
    Py_CLEAR(pen->nothing);
    type->tp_free((PyObject *)pen);
    Py_DECREF(type);
}

static PyMemberDef pen_members[] = {
    {"end", T_PYSSIZET, offsetof(Pen, end), 0, "Behind the last entry, in bytes."},
    {"is_open", T_BOOL, offsetof(Pen, is_open), 0, "Whether `write` puts down what it can."},
    {NULL, 0, 0, 0, NULL},
};

static PyMethodDef pen_methods[] = {
    {"note", (PyCFunction)pen_note, METH_O, "note(record): whether it is put down."},
    {"write", (PyCFunction)pen_write, METH_O, "write(record): put down, or handed over."},
    {"commit", (PyCFunction)pen_commit, METH_NOARGS, "commit(): \"\", or what is said to it."},
    {"move", (PyCFunction)pen_move, METH_VARARGS, "move(end, stands): where the next one goes."},
    {"release", (PyCFunction)pen_release, METH_NOARGS, "Let go of the slate."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot pen_slots[] = {
    {Py_tp_new, pen_new},         {Py_tp_dealloc, pen_end},     {Py_tp_traverse, pen_traverse},
    {Py_tp_clear, pen_clear},     {Py_tp_methods, pen_methods}, {Py_tp_members, pen_members},
    {Py_tp_doc, "Pen(slate, end, stands, over, commit): puts down records of orders."},
    {0, NULL},
};

static PyType_Spec pen_spec = {
    .name = "pitwire.store._slate.Pen",
    .basicsize = sizeof(Pen),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = pen_slots,
};

/* ── the module ────────────────────────────────────────────────────────────────────────────── */

/* Learn where objects of a type have these fields, which must be all that it has, in this order.
 * The type is borrowed. */
static int
learn(Shape *shape, PyObject *type, const char *const *names, Py_ssize_t count)
{
    PyObject *fields = PyObject_GetAttrString(type, "__struct_fields__");
    int is_it = fields != NULL && PyTuple_Check(fields) && PyTuple_GET_SIZE(fields) == count;
    for (Py_ssize_t number = 0; is_it && number < count; number++) {
        PyObject *name = PyTuple_GET_ITEM(fields, number);
        is_it = PyUnicode_Check(name) && !PyUnicode_CompareWithASCIIString(name, names[number]);
        PyObject *found = is_it ? PyObject_GetAttr(type, name) : NULL;
        is_it = found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type) &&
                ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX &&
                PyType_IsSubtype((PyTypeObject *)type, PyDescr_TYPE(found));
        if (is_it) {
            Py_ssize_t place = ((PyMemberDescrObject *)found)->d_member->offset;
            is_it = place <= USHRT_MAX;
            shape->place[number] = (unsigned short)place;
        }
        Py_XDECREF(found);
    }
    Py_XDECREF(fields);
    if (!is_it) {
        PyErr_Format(PyExc_TypeError, "know: found other fields in %R than are written here", type);
        return 0;
    }
    shape->type = (PyTypeObject *)type;
    return 1;
}

static PyObject *
know(PyObject *module, PyObject *arguments)
{
    Known *known = PyModule_GetState(module);
    PyObject *decided, *order, *cause, *word[4];
    if (!PyArg_ParseTuple(arguments, "O!O!O!O!O!O!O!:know", &PyType_Type, &decided, &PyType_Type,
                          &order, &PyType_Type, &cause, &PyType_Type, &word[0], &PyType_Type,
                          &word[1], &PyType_Type, &word[2], &PyType_Type, &word[3])) {
        return NULL;
    }
    for (int number = 0; number < 3; number++) {
        if (!PyType_IsSubtype((PyTypeObject *)word[number], &PyUnicode_Type)) {
            PyErr_SetString(PyExc_TypeError, "know: expected words that are texts");
            return NULL;
        }
    }
    /* All of it or nothing: a place of one type in objects of another would be anywhere. */
    Known told = {.side = (PyTypeObject *)word[0],
                  .kind = (PyTypeObject *)word[1],
                  .time_in_force = (PyTypeObject *)word[2],
                  .decimal = (PyTypeObject *)word[3]};
    if (!learn(&told.decided, decided, IN_DECIDED, DECIDED_FIELDS) ||
        !learn(&told.order, order, IN_ORDER, ORDER_FIELDS) ||
        !learn(&told.cause, cause, IN_CAUSE, CAUSE_FIELDS)) {
        return NULL;
    }
    Known before = *known;
    *known = told;
    PyTypeObject **now[TYPES] = {TYPES_OF(known)}, **old[TYPES] = {TYPES_OF(&before)};
    for (int number = 0; number < TYPES; number++) {
        Py_INCREF(*now[number]);
        Py_XDECREF(*old[number]);
    }
    Py_RETURN_NONE;
}

static int
set_up(PyObject *module)
{
    PyObject *pen = PyType_FromModuleAndSpec(module, &pen_spec, NULL);
    int failed = pen == NULL || PyModule_AddObjectRef(module, "Pen", pen) < 0;
    Py_XDECREF(pen);
    return failed ? -1 : PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE);
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        PyTypeObject **place[TYPES] = {TYPES_OF(known)};
        for (int number = 0; number < TYPES; number++) {
            Py_VISIT(*place[number]);
        }
    }
    return 0;
}

static int
clear(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        PyTypeObject **place[TYPES] = {TYPES_OF(known)};
        for (int number = 0; number < TYPES; number++) {
            Py_CLEAR(*place[number]);
        }
    }
    return 0;
}

static void
release(void *module)
{
    clear(module);
}

static PyMethodDef methods[] = {
    {"know", know, METH_VARARGS, "know(what an order's record is made of, as slate.py says it)."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_slate",
    .m_doc = "The compiled twin of what is put on the slate.",
    .m_size = sizeof(Known),
    .m_methods = methods,
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__slate(void)
{
    return PyModuleDef_Init(&module);
}
