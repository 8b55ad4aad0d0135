/* The compiled reader of the three commonest frames: trade, bookTicker, depthUpdate (binance 3).
 *
 * It reads a frame that is written to the letter as the venue writes it, and makes the event that
 * `MarketDecoder.decode` makes of it. Of everything else, an unknown field, another order, a blank,
 * a number too long to be exact, it says None, and the typed reading in decode.py decides. So it
 * refuses nothing and allows nothing of its own.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <stdint.h>

#if FLT_EVAL_METHOD != 0
#error "a double must be computed as one, or numbers are rounded twice"
#endif

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

typedef struct {
    PyObject *trade, *quote, *delta, *buy, *sell, *venue, *zero;
    uint64_t last_millisecond, last_instant;
} Known;

typedef struct {
    const char *at;
    const char *end;
} Text;

enum { EXACT = 15, ID = 18, NAME = 40, MOST = 5000 };
/* Digits of a decimal that a double holds exactly; of an id that stays below 2^62; letters of a
 * name; levels of a side. */

static const double TENS[EXACT + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

static int
skip(Text *text, const char *wanted, size_t size)
{
    if ((size_t)(text->end - text->at) < size || memcmp(text->at, wanted, size) != 0) {
        return 0;
    }
    text->at += size;
    return 1;
}

#define SKIP(text, wanted) skip(text, wanted, sizeof(wanted) - 1)

static int
is_digit(const Text *text)
{
    return text->at < text->end && *text->at >= '0' && *text->at <= '9';
}

/* A whole number without a sign, as JSON writes it. */
static int
read_number(Text *text, uint64_t *found)
{
    const char *begin = text->at;
    uint64_t number = 0;
    while (is_digit(text) && text->at - begin < ID) {
        number = number * 10 + (uint64_t)(*text->at++ - '0');
    }
    Py_ssize_t digits = text->at - begin;
    *found = number;
    return digits > 0 && !is_digit(text) && (digits == 1 || *begin != '0');
}

/* The eight digits that the venue writes behind every point; -1 where one of them is none. */
static int64_t
eight_digits(const char *at)
{
    int64_t found = 0;
    unsigned other = 0;
    for (int number = 0; number < 8; number++) {
        unsigned digit = (unsigned)at[number] - '0';
        other |= digit > 9;
        found = found * 10 + digit;
    }
    return other ? -1 : found;
}

/* "digits" or "digits.digits", in quotes. Whole number and power of ten are exact, so their
 * quotient is rounded once, as the text itself would be. */
static int
read_decimal(Text *text, double *found)
{
    if (!SKIP(text, "\"")) {
        return 0;
    }
    const char *begin = text->at;
    uint64_t number = 0;
    while (is_digit(text) && text->at - begin < EXACT) {
        number = number * 10 + (uint64_t)(*text->at++ - '0');
    }
    Py_ssize_t whole = text->at - begin, part = 0;
    if (whole == 0 || is_digit(text) || (whole > 1 && *begin == '0')) {
        return 0;
    }
    if (SKIP(text, ".")) {
        const char *dot = text->at;
        if (text->end - dot > 8 && dot[8] == '"') {
            int64_t eight = eight_digits(dot);
            if (eight >= 0 && number < 90000000) { /* both together below 2^53 */
                text->at = dot + 9;
                *found = (double)(number * 100000000 + (uint64_t)eight) / 1e8;
                return 1;
            }
        }
        while (is_digit(text)) {
            text->at++;
        }
        const char *last = text->at;
        if (last == dot) {
            return 0;
        }
        while (last > dot && last[-1] == '0') {
            last--;
        }
        part = last - dot;
        if (whole + part > EXACT) {
            return 0;
        }
        for (const char *digit = dot; digit < last; digit++) {
            number = number * 10 + (uint64_t)(*digit - '0');
        }
    }
    *found = (double)number / TENS[part];
    return SKIP(text, "\"");
}

/* Our spelling of a name in quotes, borrowed; NULL where it is not known yet, or no plain name. */
static PyObject *
read_symbol(Text *text, PyObject *symbols)
{
    if (!SKIP(text, "\"")) {
        return NULL;
    }
    const char *begin = text->at;
    while (text->at < text->end && ((*text->at >= 'A' && *text->at <= 'Z') || is_digit(text))) {
        text->at++;
    }
    Py_ssize_t size = text->at - begin;
    if (size == 0 || size > NAME || !SKIP(text, "\"")) {
        return NULL;
    }
    PyObject *name = PyUnicode_DecodeASCII(begin, size, NULL);
    if (name == NULL) {
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(symbols, name);
    Py_DECREF(name);
    return found;
}

static int
read_flag(Text *text, int *found)
{
    *found = 1;
    if (SKIP(text, "true")) {
        return 1;
    }
    *found = 0;
    return SKIP(text, "false");
}

static PyObject *
instant(const Known *known, uint64_t at)
{
    /* ms or us, told apart by magnitude (binance 5.5). */
    return PyLong_FromUnsignedLongLong(at * (at <= known->last_millisecond ? 1000000 : 1000));
}

/* Calls `type` with these, which it takes over; NULL among them is an error that is set. */
static PyObject *
made(PyObject *type, PyObject **values, size_t count)
{
    PyObject *found = NULL;
    size_t whole = 0;
    while (whole < count && values[whole] != NULL) {
        whole++;
    }
    if (whole == count) {
        found = PyObject_Vectorcall(type, values, count, NULL);
    }
    for (size_t at = 0; at < count; at++) {
        Py_XDECREF(values[at]);
    }
    return found;
}

static PyObject *
read_trade(const Known *known, Text *text, PyObject *now, PyObject *symbols)
{
    uint64_t sent, number, at;
    double price, size;
    int maker, ignored;
    PyObject *symbol;
    if (!(SKIP(text, ",\"E\":") && read_number(text, &sent) && SKIP(text, ",\"s\":") &&
          (symbol = read_symbol(text, symbols)) != NULL && SKIP(text, ",\"t\":") &&
          read_number(text, &number) && SKIP(text, ",\"p\":") && read_decimal(text, &price) &&
          SKIP(text, ",\"q\":") && read_decimal(text, &size) && SKIP(text, ",\"T\":") &&
          read_number(text, &at) && SKIP(text, ",\"m\":") && read_flag(text, &maker) &&
          SKIP(text, ",\"M\":") && read_flag(text, &ignored) && SKIP(text, "}"))) {
        return NULL;
    }
    if (price == 0.0 || at > known->last_instant) {
        return NULL;
    }
    PyObject *values[] = {
        Py_NewRef(known->venue),
        Py_NewRef(symbol),
        instant(known, at),
        Py_NewRef(now),
        PyFloat_FromDouble(price),
        PyFloat_FromDouble(size),
        Py_NewRef(maker ? known->sell : known->buy),
        PyLong_FromUnsignedLongLong(number),
    };
    return made(known->trade, values, 8);
}

static PyObject *
read_quote(const Known *known, Text *text, PyObject *now, PyObject *symbols)
{
    uint64_t number;
    double bid, bid_size, ask, ask_size;
    PyObject *symbol;
    if (!(read_number(text, &number) && SKIP(text, ",\"s\":") &&
          (symbol = read_symbol(text, symbols)) != NULL && SKIP(text, ",\"b\":") &&
          read_decimal(text, &bid) && SKIP(text, ",\"B\":") && read_decimal(text, &bid_size) &&
          SKIP(text, ",\"a\":") && read_decimal(text, &ask) && SKIP(text, ",\"A\":") &&
          read_decimal(text, &ask_size) && SKIP(text, "}"))) {
        return NULL;
    }
    if (bid == 0.0 || ask == 0.0) {
        return NULL;
    }
    PyObject *values[] = {
        Py_NewRef(known->venue),
        Py_NewRef(symbol),
        Py_NewRef(known->zero),
        Py_NewRef(now),
        PyFloat_FromDouble(bid),
        PyFloat_FromDouble(bid_size),
        PyFloat_FromDouble(ask),
        PyFloat_FromDouble(ask_size),
        PyLong_FromUnsignedLongLong(number),
    };
    return made(known->quote, values, 9);
}

/* A tuple that holds numbers, or tuples that do, can be in no cycle. */
static PyObject *
untracked(PyObject *tuple)
{
    PyObject_GC_UnTrack(tuple);
    return tuple;
}

static PyObject *
pair_of(double price, double size)
{
    PyObject *first = PyFloat_FromDouble(price), *second = PyFloat_FromDouble(size);
    PyObject *pair = first != NULL && second != NULL ? PyTuple_New(2) : NULL;
    if (pair == NULL) {
        Py_XDECREF(first);
        Py_XDECREF(second);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, first);
    PyTuple_SET_ITEM(pair, 1, second);
    return untracked(pair);
}

/* [["price","size"],...]; more than `MOST` are left to the typed reading. */
static PyObject *
read_levels(Text *text)
{
    PyObject *pairs[MOST], *levels = NULL;
    Py_ssize_t count = 0;
    int whole = SKIP(text, "[");
    if (whole && !(text->at < text->end && *text->at == ']')) {
        do {
            double price, size;
            whole = count < MOST && SKIP(text, "[") && read_decimal(text, &price) &&
                    SKIP(text, ",") && read_decimal(text, &size) && SKIP(text, "]") &&
                    price != 0.0 && (pairs[count] = pair_of(price, size)) != NULL;
            count += whole;
        } while (whole && SKIP(text, ","));
    }
    if (whole && SKIP(text, "]")) {
        levels = PyTuple_New(count);
    }
    if (levels == NULL) {
        while (count) {
            Py_DECREF(pairs[--count]);
        }
        return NULL;
    }
    for (Py_ssize_t at = 0; at < count; at++) {
        PyTuple_SET_ITEM(levels, at, pairs[at]);
    }
    return count ? untracked(levels) : levels;
}

static PyObject *
read_delta(const Known *known, Text *text, PyObject *now, PyObject *symbols)
{
    uint64_t at, first, last;
    PyObject *symbol, *bids, *asks = NULL;
    if (!(SKIP(text, ",\"E\":") && read_number(text, &at) && SKIP(text, ",\"s\":") &&
          (symbol = read_symbol(text, symbols)) != NULL && SKIP(text, ",\"U\":") &&
          read_number(text, &first) && SKIP(text, ",\"u\":") && read_number(text, &last) &&
          SKIP(text, ",\"b\":"))) {
        return NULL;
    }
    if (at > known->last_instant) {
        return NULL;
    }
    Py_INCREF(symbol); /* borrowed so far, and making the levels may let the collector run */
    bids = read_levels(text);
    if (bids == NULL || !SKIP(text, ",\"a\":") || (asks = read_levels(text)) == NULL ||
        !SKIP(text, "}")) {
        Py_DECREF(symbol);
        Py_XDECREF(bids);
        Py_XDECREF(asks);
        return NULL;
    }
    PyObject *values[] = {
        Py_NewRef(known->venue),
        symbol,
        instant(known, at),
        Py_NewRef(now),
        PyLong_FromUnsignedLongLong(first),
        PyLong_FromUnsignedLongLong(last),
        bids,
        asks,
    };
    return made(known->delta, values, 8);
}

/* The name in `{"stream":"…","data":`: anything that needs no unescaping. */
static int
skip_wrapper(Text *text)
{
    while (text->at < text->end && *text->at >= ' ' && *text->at <= '~' && *text->at != '"' &&
           *text->at != '\\') {
        text->at++;
    }
    return SKIP(text, "\",\"data\":");
}

static PyObject *
read_frame(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    const Known *known = PyModule_GetState(module);
    if (count != 3 || !PyBytes_CheckExact(arguments[0]) || !PyDict_Check(arguments[2]) ||
        known->trade == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "read: expected a frame, a time and symbols, after `know`");
        return NULL;
    }
    PyObject *now = arguments[1], *symbols = arguments[2], *event = NULL;
    const char *begin = PyBytes_AS_STRING(arguments[0]);
    Text text = {begin, begin + PyBytes_GET_SIZE(arguments[0])};
    int wrapped = SKIP(&text, "{\"stream\":\"");
    if (!wrapped || skip_wrapper(&text)) {
        if (SKIP(&text, "{\"e\":\"trade\"")) {
            event = read_trade(known, &text, now, symbols);
        }
        else if (SKIP(&text, "{\"e\":\"depthUpdate\"")) {
            event = read_delta(known, &text, now, symbols);
        }
        else if (SKIP(&text, "{\"u\":")) {
            event = read_quote(known, &text, now, symbols);
        }
    }
    if (PyErr_Occurred()) {
        Py_XDECREF(event);
        return NULL;
    }
    if (event == NULL || (wrapped && !SKIP(&text, "}")) || text.at != text.end) {
        Py_XDECREF(event);
        Py_RETURN_NONE;
    }
    PyObject *events = PyTuple_New(1);
    if (events == NULL) {
        Py_DECREF(event);
        return NULL;
    }
    PyTuple_SET_ITEM(events, 0, event);
    return events;
}

static PyObject *
know(PyObject *module, PyObject *arguments)
{
    Known *known = PyModule_GetState(module);
    PyObject *trade, *quote, *delta, *buy, *sell, *venue;
    unsigned long long last_millisecond, last_instant;
    if (!PyArg_ParseTuple(arguments, "OOOOOOKK:know", &trade, &quote, &delta, &buy, &sell, &venue,
                          &last_millisecond, &last_instant)) {
        return NULL;
    }
    Py_XSETREF(known->trade, Py_NewRef(trade));
    Py_XSETREF(known->quote, Py_NewRef(quote));
    Py_XSETREF(known->delta, Py_NewRef(delta));
    Py_XSETREF(known->buy, Py_NewRef(buy));
    Py_XSETREF(known->sell, Py_NewRef(sell));
    Py_XSETREF(known->venue, Py_NewRef(venue));
    known->last_millisecond = last_millisecond;
    known->last_instant = last_instant;
    Py_RETURN_NONE;
}

static int
set_up(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    known->zero = PyLong_FromLong(0);
    return known->zero == NULL ? -1
                               : PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE);
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        Py_VISIT(known->trade);
        Py_VISIT(known->quote);
        Py_VISIT(known->delta);
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
        Py_CLEAR(known->trade);
        Py_CLEAR(known->quote);
        Py_CLEAR(known->delta);
        Py_CLEAR(known->buy);
        Py_CLEAR(known->sell);
        Py_CLEAR(known->venue);
        Py_CLEAR(known->zero);
    }
    return 0;
}

static void
release(void *module)
{
    clear(module);
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))read_frame, METH_FASTCALL,
     "read(frame, now, symbols): the one event of the frame, in a tuple, or None."},
    {"know", know, METH_VARARGS,
     "know(Trade, Quote, BookDelta, buy, sell, venue, last_millisecond, last_instant)"},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_reading",
    .m_doc = "The compiled reader of the commonest market frames.",
    .m_size = sizeof(Known),
    .m_methods = methods,
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__reading(void)
{
    return PyModuleDef_Init(&module);
}
