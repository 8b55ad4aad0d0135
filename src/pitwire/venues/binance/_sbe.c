/* The compiled reader of binary market frames (binance 10.2).
 *
 * It reads a frame that is as the schema of today lays it out, and makes the event that
 * `SbeDecoder.decode` makes of it. Everything else, a longer block, a number that no double is sure
 * to hold exactly, a symbol not met before, a text, it hands to the plain reading, which decides.
 * So it refuses nothing and allows nothing of its own.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <stdint.h>
#include <structmember.h>

#if FLT_EVAL_METHOD != 0
#error "a double must be computed as one, or numbers are rounded twice"
#endif

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

/* ---- events ---------------------------------------------------------------------------------- */

enum { TRADE, QUOTE, DELTA, TOP, KINDS, FIELDS = 10 };

static const char *const NAMES[KINDS][FIELDS] = {
    {"venue", "symbol", "venue_time", "received", "price", "size", "side", "trade_id",
     "backfilled"},
    {"venue", "symbol", "venue_time", "received", "bid", "bid_size", "ask", "ask_size",
     "update_id"},
    {"venue", "symbol", "venue_time", "received", "first_id", "last_id", "bids", "asks",
     "previous_id", "checksum"},
    {"venue", "symbol", "venue_time", "received", "last_id", "bids", "asks", "depth"},
};

typedef struct {
    PyTypeObject *type;
    PyObject *defaults;         /* of its last fields, in a tuple */
    Py_ssize_t count;           /* of its fields */
    Py_ssize_t places[FIELDS];  /* where each is in an event */
    int direct;                 /* whether that is known of all of them */
} Kind;

/* As `maker` of model/_packed.c holds it. */
typedef PyObject *(*Make)(PyTypeObject *type, Py_ssize_t count, double **numbers);

typedef struct {
    Kind kinds[KINDS];
    PyTypeObject *packed;
    Make make;
    PyObject *maker, *buy, *sell, *venue, *twenty;
    uint64_t last_instant;
} Known;

/* An event whose first `given` fields have these values, which it takes over; NULL among them is an
 * error that is set.
 *
 * Its fields are slots of its type, as `__slots__` makes them, so that a new one is filled in place.
 * Where they are not, it is made as any caller makes it. */
static PyObject *
made(const Kind *kind, PyObject **values, Py_ssize_t given)
{
    PyObject *found = NULL;
    Py_ssize_t whole = 0;
    while (whole < given && values[whole] != NULL) {
        whole++;
    }
    if (whole == given && kind->direct) {
        found = kind->type->tp_alloc(kind->type, 0);
        if (found != NULL) {
            Py_ssize_t without = kind->count - PyTuple_GET_SIZE(kind->defaults);
            for (Py_ssize_t at = 0; at < kind->count; at++) {
                PyObject *value = at < given
                                      ? values[at]
                                      : Py_NewRef(PyTuple_GET_ITEM(kind->defaults, at - without));
                *(PyObject **)((char *)found + kind->places[at]) = value;
            }
            return found;
        }
    }
    else if (whole == given) {
        found = PyObject_Vectorcall((PyObject *)kind->type, values, (size_t)given, NULL);
    }
    for (Py_ssize_t at = 0; at < given; at++) {
        Py_XDECREF(values[at]);
    }
    return found;
}

/* Whether an event of this type is its fields and no more, each a slot that holds an object; fills
 * in where they are. */
static int
find_places(Kind *kind, const char *const *names)
{
    PyTypeObject *type = kind->type;
    Py_ssize_t size = (Py_ssize_t)sizeof(PyObject) + kind->count * (Py_ssize_t)sizeof(PyObject *);
    if (type->tp_itemsize != 0 || PyType_IS_GC(type) || type->tp_basicsize != size ||
        !PyType_HasFeature(type, Py_TPFLAGS_HEAPTYPE) ||
        PyObject_HasAttrString((PyObject *)type, "__post_init__")) {
        return 0;
    }
    /* Another default may be something that makes the value anew for each event. */
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(kind->defaults); at++) {
        PyObject *value = PyTuple_GET_ITEM(kind->defaults, at);
        if (value != Py_None && !PyBool_Check(value) && !PyLong_CheckExact(value) &&
            !PyFloat_CheckExact(value) && !PyUnicode_CheckExact(value)) {
            return 0;
        }
    }
    for (Py_ssize_t at = 0; at < kind->count; at++) {
        PyObject *slot = PyObject_GetAttrString((PyObject *)type, names[at]);
        int fits = slot != NULL && Py_IS_TYPE(slot, &PyMemberDescr_Type);
        if (fits) {
            const PyMemberDef *member = ((PyMemberDescrObject *)slot)->d_member;
            kind->places[at] = member->offset;
            fits = member->type == T_OBJECT_EX && member->offset >= (Py_ssize_t)sizeof(PyObject) &&
                   member->offset <= size - (Py_ssize_t)sizeof(PyObject *) &&
                   member->offset % (Py_ssize_t)sizeof(PyObject *) == 0;
        }
        for (Py_ssize_t before = 0; fits && before < at; before++) {
            fits = kind->places[before] != kind->places[at];
        }
        Py_XDECREF(slot);
        if (!fits) {
            PyErr_Clear();
            return 0;
        }
    }
    return 1;
}

/* Learn a type of event: its fields must be those that are read here, in this order. */
static int
learn_kind(Kind *kind, PyObject *type, const char *const *names)
{
    PyObject *fields = NULL, *defaults = NULL;
    if (PyType_Check(type)) {
        fields = PyObject_GetAttrString(type, "__struct_fields__");
        defaults = fields == NULL ? NULL : PyObject_GetAttrString(type, "__struct_defaults__");
    }
    Py_ssize_t count = 0;
    while (count < FIELDS && names[count] != NULL) {
        count++;
    }
    int fits = defaults != NULL && PyTuple_Check(fields) && PyTuple_Check(defaults) &&
               PyTuple_GET_SIZE(fields) == count && PyTuple_GET_SIZE(defaults) <= count;
    for (Py_ssize_t at = 0; fits && at < count; at++) {
        PyObject *name = PyTuple_GET_ITEM(fields, at);
        fits = PyUnicode_Check(name) && PyUnicode_CompareWithASCIIString(name, names[at]) == 0;
    }
    Py_XDECREF(fields);
    if (!fits) {
        Py_XDECREF(defaults);
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "know: found an event of other fields");
        }
        return -1;
    }
    Py_XSETREF(kind->type, (PyTypeObject *)Py_NewRef(type));
    Py_XSETREF(kind->defaults, defaults);
    kind->count = count;
    kind->direct = find_places(kind, names);
    return 0;
}

/* ---- frames ---------------------------------------------------------------------------------- */

enum { NAME = 40, SPELLINGS = 128, HEADER = 8, MOST_TRADES = 1000, MICRO = 1000, TENS = 18 };

static const int64_t EXACT = INT64_C(1) << 53;     /* up to here every whole number is a double */
static const uint64_t LAST_ID = UINT64_C(1) << 62; /* ids are below */

static const double TEN_TO[TENS + 1] = {1e0, 1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8, 1e9,
                                        1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18};

typedef struct {
    unsigned char size;
    char text[NAME];
    PyObject *native;
} Spelling;

typedef struct {
    PyObject_HEAD
    const Known *known; /* of the module, which lives as long as the type does */
    PyObject *symbols, *plain;
    Spelling spellings[SPELLINGS];
} Reader;

typedef struct {
    const unsigned char *data;
    Py_ssize_t size;
} Frame;

static unsigned
u16(const unsigned char *at)
{
    return (unsigned)at[0] | (unsigned)at[1] << 8;
}

static int64_t
i64(const unsigned char *at)
{
    /* Written out, compilers see that it is one load. */
    return (int64_t)((uint64_t)at[0] | (uint64_t)at[1] << 8 | (uint64_t)at[2] << 16 |
                     (uint64_t)at[3] << 24 | (uint64_t)at[4] << 32 | (uint64_t)at[5] << 40 |
                     (uint64_t)at[6] << 48 | (uint64_t)at[7] << 56);
}

/* What a mantissa is divided by; 0 where that is no business of ours. */
static double
scale(unsigned char exponent)
{
    int tens = -(int)(signed char)exponent;
    return tens >= 0 && tens <= TENS ? TEN_TO[tens] : 0.0;
}

static int
is_price(int64_t mantissa)
{
    return mantissa > 0 && mantissa <= EXACT;
}

static int
is_size(int64_t mantissa)
{
    return mantissa >= 0 && mantissa <= EXACT;
}

static int
is_id(int64_t number)
{
    return (uint64_t)number < LAST_ID;
}

/* Our spelling of the name that ends the frame, a new reference; NULL where it is not known yet, or
 * is no plain name, or does not end it. What a spelling means is asked anew each time, since it may
 * be learned better. */
static PyObject *
symbol_at(Reader *self, const Frame *frame, Py_ssize_t at)
{
    Py_ssize_t size = at < frame->size ? frame->data[at] : 0;
    if (size == 0 || size > NAME || at + 1 + size != frame->size) {
        return NULL;
    }
    const char *text = (const char *)frame->data + at + 1;
    unsigned hash = (unsigned)size;
    for (Py_ssize_t letter = 0; letter < size; letter++) {
        hash = hash * 31 + (unsigned char)text[letter];
    }
    Spelling *known = &self->spellings[(hash ^ hash >> 7) % SPELLINGS];
    if (known->size != size || memcmp(known->text, text, (size_t)size) != 0) {
        for (Py_ssize_t letter = 0; letter < size; letter++) {
            if ((unsigned char)text[letter] > 127) {
                return NULL;
            }
        }
        PyObject *native = PyUnicode_DecodeASCII(text, size, NULL);
        if (native == NULL) {
            return NULL;
        }
        known->size = (unsigned char)size;
        memcpy(known->text, text, (size_t)size);
        Py_XSETREF(known->native, native);
    }
    /* Held meanwhile: whatever compares a key may read a frame of its own. */
    PyObject *native = Py_NewRef(known->native);
    PyObject *found = Py_XNewRef(PyDict_GetItemWithError(self->symbols, native));
    Py_DECREF(native);
    return found;
}

static PyObject *
instant(int64_t micros)
{
    return PyLong_FromLongLong(micros * MICRO);
}

static PyObject *
one_of(PyObject *event)
{
    PyObject *events = event == NULL ? NULL : PyTuple_New(1);
    if (events == NULL) {
        Py_XDECREF(event);
        return NULL;
    }
    PyTuple_SET_ITEM(events, 0, event);
    return events;
}

static PyObject *
read_trades(const Known *known, Reader *self, const Frame *frame, PyObject *now)
{
    enum { ROOT = 18, GROUP = HEADER + ROOT, FIRST = GROUP + 6, LENGTH = 25 };
    const unsigned char *data = frame->data;
    if (frame->size < FIRST || u16(data) != ROOT || u16(data + GROUP) != LENGTH) {
        return NULL;
    }
    int64_t at = i64(data + HEADER + 8);
    double prices = scale(data[HEADER + 16]), sizes = scale(data[HEADER + 17]);
    Py_ssize_t count = (Py_ssize_t)(u16(data + GROUP + 2) | u16(data + GROUP + 4) << 16);
    if (at < 0 || (uint64_t)at > known->last_instant || prices == 0.0 || sizes == 0.0 ||
        count == 0 || count > MOST_TRADES || count * LENGTH > frame->size - FIRST) {
        return NULL;
    }
    PyObject *events = PyTuple_New(count);
    PyObject *symbol = events == NULL ? NULL : symbol_at(self, frame, FIRST + count * LENGTH);
    int whole = symbol != NULL;
    for (Py_ssize_t number = 0; whole && number < count; number++) {
        const unsigned char *trade = data + FIRST + number * LENGTH;
        int64_t id = i64(trade), price = i64(trade + 8), size = i64(trade + 16);
        if (!is_id(id) || !is_price(price) || !is_size(size) || trade[24] > 1) {
            whole = 0;
            break;
        }
        PyObject *values[] = {
            Py_NewRef(known->venue),
            Py_NewRef(symbol),
            instant(at),
            Py_NewRef(now),
            PyFloat_FromDouble((double)price / prices),
            PyFloat_FromDouble((double)size / sizes),
            Py_NewRef(trade[24] ? known->sell : known->buy),
            PyLong_FromLongLong(id),
        };
        PyObject *event = made(&known->kinds[TRADE], values, 8);
        whole = event != NULL;
        PyTuple_SET_ITEM(events, number, event);
    }
    Py_XDECREF(symbol);
    if (!whole) {
        Py_CLEAR(events);
    }
    return events;
}

static PyObject *
read_quote(const Known *known, Reader *self, const Frame *frame, PyObject *now)
{
    enum { ROOT = 50 };
    const unsigned char *data = frame->data + HEADER;
    if (frame->size < HEADER + ROOT || u16(frame->data) != ROOT) {
        return NULL;
    }
    int64_t at = i64(data), id = i64(data + 8);
    double prices = scale(data[16]), sizes = scale(data[17]);
    int64_t bid = i64(data + 18), bid_size = i64(data + 26);
    int64_t ask = i64(data + 34), ask_size = i64(data + 42);
    if (at < 0 || (uint64_t)at > known->last_instant || !is_id(id) || prices == 0.0 ||
        sizes == 0.0 || !is_price(bid) || !is_size(bid_size) || !is_price(ask) ||
        !is_size(ask_size)) {
        return NULL;
    }
    PyObject *symbol = symbol_at(self, frame, HEADER + ROOT);
    if (symbol == NULL) {
        return NULL;
    }
    PyObject *values[] = {
        Py_NewRef(known->venue),
        symbol,
        instant(at),
        Py_NewRef(now),
        PyFloat_FromDouble((double)bid / prices),
        PyFloat_FromDouble((double)bid_size / sizes),
        PyFloat_FromDouble((double)ask / prices),
        PyFloat_FromDouble((double)ask_size / sizes),
        PyLong_FromLongLong(id),
    };
    return one_of(made(&known->kinds[QUOTE], values, 9));
}

/* The levels of the group at `*at`, which is moved behind them; an empty tuple where there are none.
 * NULL without an error where one of them is not for us. */
static PyObject *
read_side(const Known *known, const Frame *frame, Py_ssize_t *at, double prices, double sizes)
{
    enum { DIMENSIONS = 4, LENGTH = 16 };
    if (frame->size - *at < DIMENSIONS) {
        return NULL;
    }
    const unsigned char *data = frame->data + *at;
    Py_ssize_t count = (Py_ssize_t)u16(data + 2);
    if (u16(data) != LENGTH || count * LENGTH > frame->size - *at - DIMENSIONS) {
        return NULL;
    }
    *at += DIMENSIONS + count * LENGTH;
    data += DIMENSIONS;
    if (count == 0) {
        return PyTuple_New(0);
    }
    double *numbers;
    PyObject *side = known->make(known->packed, count, &numbers);
    if (side == NULL) {
        return NULL;
    }
    int usual = 1;
    for (Py_ssize_t number = 0; number < count; number++, data += LENGTH) {
        int64_t price = i64(data), size = i64(data + 8);
        usual &= is_price(price) & is_size(size);
        *numbers++ = (double)price / prices;
        *numbers++ = (double)size / sizes;
    }
    if (!usual) {
        Py_DECREF(side);
        return NULL;
    }
    return side;
}

/* Both sides and the name behind them: `values` of bids, asks and symbol, new references. */
static int
read_sides(const Known *known, Reader *self, const Frame *frame, Py_ssize_t at,
           const unsigned char *exponents, PyObject **bids, PyObject **asks, PyObject **symbol)
{
    double prices = scale(exponents[0]), sizes = scale(exponents[1]);
    if (prices == 0.0 || sizes == 0.0) {
        return 0;
    }
    *bids = read_side(known, frame, &at, prices, sizes);
    *asks = *bids == NULL ? NULL : read_side(known, frame, &at, prices, sizes);
    *symbol = *asks == NULL ? NULL : symbol_at(self, frame, at);
    if (*symbol == NULL) {
        Py_XDECREF(*bids);
        Py_XDECREF(*asks);
        return 0;
    }
    return 1;
}

static PyObject *
read_delta(const Known *known, Reader *self, const Frame *frame, PyObject *now)
{
    enum { ROOT = 26 };
    const unsigned char *data = frame->data + HEADER;
    PyObject *bids, *asks, *symbol;
    if (frame->size < HEADER + ROOT || u16(frame->data) != ROOT) {
        return NULL;
    }
    int64_t at = i64(data), first = i64(data + 8), last = i64(data + 16);
    if (at < 0 || (uint64_t)at > known->last_instant || !is_id(first) || !is_id(last) ||
        !read_sides(known, self, frame, HEADER + ROOT, data + 24, &bids, &asks, &symbol)) {
        return NULL;
    }
    PyObject *values[] = {
        Py_NewRef(known->venue),
        symbol,
        instant(at),
        Py_NewRef(now),
        PyLong_FromLongLong(first),
        PyLong_FromLongLong(last),
        bids,
        asks,
    };
    return one_of(made(&known->kinds[DELTA], values, 8));
}

static PyObject *
read_top(const Known *known, Reader *self, const Frame *frame, PyObject *now)
{
    enum { ROOT = 18 };
    const unsigned char *data = frame->data + HEADER;
    PyObject *bids, *asks, *symbol;
    if (frame->size < HEADER + ROOT || u16(frame->data) != ROOT) {
        return NULL;
    }
    int64_t at = i64(data), last = i64(data + 8);
    if (at < 0 || (uint64_t)at > known->last_instant || !is_id(last) ||
        !read_sides(known, self, frame, HEADER + ROOT, data + 16, &bids, &asks, &symbol)) {
        return NULL;
    }
    PyObject *values[] = {
        Py_NewRef(known->venue),
        symbol,
        instant(at),
        Py_NewRef(now),
        PyLong_FromLongLong(last),
        bids,
        asks,
        Py_NewRef(known->twenty),
    };
    return one_of(made(&known->kinds[TOP], values, 8));
}

/* The events of a frame; NULL without an error where it is left to the plain reading. */
static PyObject *
read_frame(const Known *known, Reader *self, const Frame *frame, PyObject *now)
{
    if (frame->size < HEADER || u16(frame->data + 4) != 1) {
        return NULL;
    }
    switch (u16(frame->data + 2)) {
    case 10000:
        return read_trades(known, self, frame, now);
    case 10001:
        return read_quote(known, self, frame, now);
    case 10002:
        return read_top(known, self, frame, now);
    case 10003:
        return read_delta(known, self, frame, now);
    default:
        return NULL;
    }
}

static PyObject *
reader_decode(Reader *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "decode: expected a frame and a time");
        return NULL;
    }
    const Known *known = self->known;
    PyObject *given = arguments[0], *events = NULL;
    if (PyBytes_CheckExact(given)) {
        Frame frame = {(const unsigned char *)PyBytes_AS_STRING(given), PyBytes_GET_SIZE(given)};
        events = read_frame(known, self, &frame, arguments[1]);
    }
    else {
        Py_buffer view;
        if (PyObject_GetBuffer(given, &view, PyBUF_SIMPLE) < 0) {
            PyErr_Clear(); /* the plain reading says what is wrong, or can read it */
        }
        else {
            Frame frame = {view.buf, view.len};
            events = read_frame(known, self, &frame, arguments[1]);
            PyBuffer_Release(&view);
        }
    }
    if (events == NULL && !PyErr_Occurred()) {
        return PyObject_Vectorcall(self->plain, arguments, 2, NULL);
    }
    return events;
}

static PyObject *
reader_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    static char *words[] = {"symbols", "plain", NULL};
    PyObject *symbols, *plain;
    const Known *known = PyType_GetModuleState(type);
    if (!PyArg_ParseTupleAndKeywords(arguments, names, "O!O:Reader", words, &PyDict_Type, &symbols,
                                     &plain)) {
        return NULL;
    }
    if (known == NULL || known->venue == NULL) {
        PyErr_SetString(PyExc_TypeError, "Reader: expected `know` to be called before");
        return NULL;
    }
    Reader *self = (Reader *)type->tp_alloc(type, 0);
    if (self != NULL) {
        self->known = known;
        self->symbols = Py_NewRef(symbols);
        self->plain = Py_NewRef(plain);
    }
    return (PyObject *)self;
}

static int
reader_traverse(Reader *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self->symbols);
    Py_VISIT(self->plain);
    return 0;
}

static void
reader_dealloc(Reader *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_CLEAR(self->symbols);
    Py_CLEAR(self->plain);
    for (int at = 0; at < SPELLINGS; at++) {
        Py_CLEAR(self->spellings[at].native);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"decode", (PyCFunction)(void (*)(void))reader_decode, METH_FASTCALL,
     "decode(frame, now): what the plain reading says of the frame."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "Reader(symbols, plain): reads the frames of one connection."},
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_traverse, reader_traverse},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};

static PyType_Spec reader_spec = {
    .name = "pitwire.venues.binance._sbe.Reader",
    .basicsize = sizeof(Reader),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = reader_slots,
};

/* ---- the module ------------------------------------------------------------------------------ */

static PyObject *
know(PyObject *module, PyObject *arguments)
{
    Known *known = PyModule_GetState(module);
    PyObject *types[KINDS], *packed, *maker, *buy, *sell, *venue;
    unsigned long long last_instant;
    if (!PyArg_ParseTuple(arguments, "OOOOO!OOOOK:know", &types[TRADE], &types[QUOTE],
                          &types[DELTA], &types[TOP], &PyType_Type, &packed, &maker, &buy, &sell,
                          &venue, &last_instant)) {
        return NULL;
    }
    const Make *make = PyCapsule_GetPointer(maker, "pitwire.model._packed.maker");
    if (make == NULL) {
        return NULL;
    }
    for (int kind = 0; kind < KINDS; kind++) {
        if (learn_kind(&known->kinds[kind], types[kind], NAMES[kind]) < 0) {
            return NULL;
        }
    }
    known->make = *make;
    Py_XSETREF(known->packed, (PyTypeObject *)Py_NewRef(packed));
    Py_XSETREF(known->maker, Py_NewRef(maker));
    Py_XSETREF(known->buy, Py_NewRef(buy));
    Py_XSETREF(known->sell, Py_NewRef(sell));
    known->last_instant = last_instant;
    Py_XSETREF(known->venue, Py_NewRef(venue));
    Py_RETURN_NONE;
}

static int
set_up(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    known->twenty = PyLong_FromLong(20);
    PyObject *reader = PyType_FromModuleAndSpec(module, &reader_spec, NULL);
    int failed = known->twenty == NULL || reader == NULL ||
                 PyModule_AddType(module, (PyTypeObject *)reader) < 0 ||
                 PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE) < 0;
    Py_XDECREF(reader);
    return failed ? -1 : 0;
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        for (int kind = 0; kind < KINDS; kind++) {
            Py_VISIT(known->kinds[kind].type);
            Py_VISIT(known->kinds[kind].defaults);
        }
        Py_VISIT(known->packed);
        Py_VISIT(known->maker);
        Py_VISIT(known->buy);
        Py_VISIT(known->sell);
        Py_VISIT(known->venue);
    }
    return 0;
}

static int
clear(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        for (int kind = 0; kind < KINDS; kind++) {
            Py_CLEAR(known->kinds[kind].type);
            Py_CLEAR(known->kinds[kind].defaults);
        }
        Py_CLEAR(known->packed);
        Py_CLEAR(known->maker);
        Py_CLEAR(known->buy);
        Py_CLEAR(known->sell);
        Py_CLEAR(known->venue);
        Py_CLEAR(known->twenty);
    }
    return 0;
}

static void
release(void *module)
{
    clear(module);
}

static PyMethodDef methods[] = {
    {"know", know, METH_VARARGS,
     "know(Trade, Quote, BookDelta, PartialBook, PackedLevels, maker, buy, sell, venue, "
     "last_instant)"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_sbe",
    .m_doc = "The compiled reader of binary market frames.",
    .m_size = sizeof(Known),
    .m_methods = methods,
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__sbe(void)
{
    return PyModuleDef_Init(&module);
}
