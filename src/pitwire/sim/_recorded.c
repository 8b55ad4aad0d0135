/* The compiled twin of what `capture.py` reads of a recorded frame: its stream and payload, and what a
 * diff or a trade in it says.
 *
 * It knows such texts alone as the venue writes them: without blanks, escapes or anything beyond
 * ASCII, the fields in the venue's order, decimals with eight places (binance §3). Of everything else
 * it says None, and the plain reading decides what that means, or raises. Nothing is changed before
 * a text has been read to its end.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

#define MOST_LEVELS 1024 /* of one side of a diff; the plain reading takes what is longer */
#define DEEPEST 16
#define MOST_DIGITS 17

typedef struct {
    const char *at, *end;
} Text;

typedef struct {
    long long price, lots;
} Level;

/* ── any text ────────────────────────────────────────────────────────────────────────────────── */

static int
literal(Text *text, const char *wanted, Py_ssize_t size)
{
    if (text->end - text->at < size || memcmp(text->at, wanted, (size_t)size) != 0) {
        return 0;
    }
    text->at += size;
    return 1;
}

#define LITERAL(text, wanted) literal(text, wanted, (Py_ssize_t)sizeof(wanted) - 1)

static int
is_next(const Text *text, char wanted)
{
    return text->at < text->end && *text->at == wanted;
}

/* The rest of a string after its opening quote; `size` is how long it is. */
static int
string(Text *text, Py_ssize_t *size)
{
    const char *begin = text->at;
    while (text->at < text->end && *text->at != '"') {
        unsigned char one = (unsigned char)*text->at;
        if (one < 0x20 || one > 0x7e || one == '\\') {
            return 0;
        }
        text->at++;
    }
    *size = text->at - begin;
    return LITERAL(text, "\"");
}

static int
digits(Text *text)
{
    const char *begin = text->at;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        text->at++;
    }
    return text->at > begin;
}

/* -1, 0.5; none with an exponent, none that begins with a zero too many. */
static int
any_number(Text *text)
{
    if (is_next(text, '-')) {
        text->at++;
    }
    const char *begin = text->at;
    if (!digits(text) || (*begin == '0' && text->at - begin > 1)) {
        return 0;
    }
    if (is_next(text, '.')) {
        text->at++;
        return digits(text);
    }
    return 1;
}

/* Whatever value is next, in JSON's own words. */
static int
any_value(Text *text, int depth)
{
    Py_ssize_t size;
    if (text->at >= text->end || depth > DEEPEST) {
        return 0;
    }
    char first = *text->at, last = first == '{' ? '}' : ']';
    if (first == '"') {
        text->at++;
        return string(text, &size);
    }
    if (first != '{' && first != '[') {
        return LITERAL(text, "true") || LITERAL(text, "false") || LITERAL(text, "null") ||
               any_number(text);
    }
    text->at++;
    if (is_next(text, last)) {
        text->at++;
        return 1;
    }
    for (;;) {
        if (first == '{' &&
            !(LITERAL(text, "\"") && string(text, &size) && LITERAL(text, ":"))) {
            return 0;
        }
        if (!any_value(text, depth + 1)) {
            return 0;
        }
        if (is_next(text, last)) {
            text->at++;
            return 1;
        }
        if (!LITERAL(text, ",")) {
            return 0;
        }
    }
}

static PyObject *
open_frame(PyObject *Py_UNUSED(module), PyObject *raw)
{
    if (!PyBytes_CheckExact(raw)) {
        Py_RETURN_NONE;
    }
    Text text = {PyBytes_AS_STRING(raw), PyBytes_AS_STRING(raw) + PyBytes_GET_SIZE(raw)};
    Py_ssize_t size;
    if (!LITERAL(&text, "{\"stream\":\"")) {
        Py_RETURN_NONE;
    }
    const char *name = text.at;
    if (!string(&text, &size) || !size || !LITERAL(&text, ",\"data\":")) {
        Py_RETURN_NONE;
    }
    const char *payload = text.at;
    if (!any_value(&text, 0) || text.end - text.at != 1 || *text.at != '}') {
        Py_RETURN_NONE;
    }
    PyObject *stream = PyUnicode_FromStringAndSize(name, size);
    PyObject *data = PyBytes_FromStringAndSize(payload, text.at - payload);
    PyObject *both = stream && data ? PyTuple_Pack(2, stream, data) : NULL;
    Py_XDECREF(stream);
    Py_XDECREF(data);
    return both;
}

/* ── diffs and trades ────────────────────────────────────────────────────────────────────────── */

/* A whole number, at least 0, that fits a machine word. */
static int
whole(Text *text, long long *value)
{
    const char *begin = text->at;
    if (!digits(text) || text->at - begin > MOST_DIGITS || (*begin == '0' && text->at - begin > 1)) {
        return 0;
    }
    *value = 0;
    for (const char *one = begin; one < text->at; one++) {
        *value = *value * 10 + (*one - '0');
    }
    return 1;
}

/* A decimal of eight places in its quotes, in units of the last of them. */
static int
decimal(Text *text, long long *units)
{
    if (!LITERAL(text, "\"")) {
        return 0;
    }
    const char *begin = text->at;
    if (!digits(text) || text->at - begin > MOST_DIGITS - 8 || !LITERAL(text, ".")) {
        return 0;
    }
    const char *point = text->at - 1;
    if (!digits(text) || text->at - point != 9) {
        return 0;
    }
    *units = 0;
    for (const char *one = begin; one < text->at; one++) {
        if (one != point) {
            *units = *units * 10 + (*one - '0');
        }
    }
    return LITERAL(text, "\"");
}

/* A price on the grid, in ticks. */
static int
priced(Text *text, long long step, long long *ticks)
{
    long long units;
    if (!decimal(text, &units) || units % step) {
        return 0;
    }
    *ticks = units / step;
    return 1;
}

/* A size in whole lots; something is at least one (`Grid.floor`). */
static int
sized(Text *text, long long step, long long *lots)
{
    long long units;
    if (!decimal(text, &units)) {
        return 0;
    }
    *lots = units / step ? units / step : units != 0;
    return 1;
}

/* One side of a diff: how many levels, or -1. */
static int
side_of(Text *text, long long tick, long long lot, Level *levels)
{
    int count = 0;
    if (!LITERAL(text, "[")) {
        return -1;
    }
    if (is_next(text, ']')) {
        text->at++;
        return 0;
    }
    for (;;) {
        if (count == MOST_LEVELS) {
            return -1;
        }
        Level *level = &levels[count++];
        if (!(LITERAL(text, "[") && priced(text, tick, &level->price) && LITERAL(text, ",") &&
              sized(text, lot, &level->lots) && LITERAL(text, "]"))) {
            return -1;
        }
        if (is_next(text, ']')) {
            text->at++;
            return count;
        }
        if (!LITERAL(text, ",")) {
            return -1;
        }
    }
}

static int
put_down(PyObject *known, const Level *levels, int count)
{
    for (int index = 0; index < count; index++) {
        PyObject *price = PyLong_FromLongLong(levels[index].price);
        PyObject *lots = PyLong_FromLongLong(levels[index].lots);
        int failed = price == NULL || lots == NULL || PyDict_SetItem(known, price, lots) < 0;
        Py_XDECREF(price);
        Py_XDECREF(lots);
        if (failed) {
            return -1;
        }
    }
    return 0;
}

static int
named(Text *text, const char *name, Py_ssize_t size)
{
    return literal(text, name, size) && LITERAL(text, "\"");
}

typedef struct {
    const char *name;
    Py_ssize_t size;
    long long tick, lot, after;
    PyObject *bids, *asks;
} Asked;

static PyObject *
diff(Text *text, const Asked *asked)
{
    long long at, first, last;
    Level bids[MOST_LEVELS], asks[MOST_LEVELS];
    int bid_count, ask_count;
    if (!(whole(text, &at) && LITERAL(text, ",\"s\":\"") && named(text, asked->name, asked->size) &&
          LITERAL(text, ",\"U\":") && whole(text, &first) && LITERAL(text, ",\"u\":") &&
          whole(text, &last) && LITERAL(text, ",\"b\":") &&
          (bid_count = side_of(text, asked->tick, asked->lot, bids)) >= 0 &&
          LITERAL(text, ",\"a\":") &&
          (ask_count = side_of(text, asked->tick, asked->lot, asks)) >= 0 && LITERAL(text, "}") &&
          text->at == text->end)) {
        Py_RETURN_NONE;
    }
    if (last > asked->after && (put_down(asked->bids, bids, bid_count) < 0 ||
                                put_down(asked->asks, asks, ask_count) < 0)) {
        return NULL;
    }
    return Py_BuildValue("LL", first, last);
}

static PyObject *
trade(Text *text, const Asked *asked)
{
    long long sent, id, price, lots, at;
    if (!(whole(text, &sent) && LITERAL(text, ",\"s\":\"") &&
          named(text, asked->name, asked->size) && LITERAL(text, ",\"t\":") && whole(text, &id) &&
          LITERAL(text, ",\"p\":") && priced(text, asked->tick, &price) &&
          LITERAL(text, ",\"q\":") && sized(text, asked->lot, &lots) && LITERAL(text, ",\"T\":") &&
          whole(text, &at) && LITERAL(text, ",\"m\":"))) {
        Py_RETURN_NONE;
    }
    int sells = LITERAL(text, "true");
    if (!(sells || LITERAL(text, "false")) || !LITERAL(text, ",\"M\":true}") ||
        text->at != text->end) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("LLLLi", id, price, lots, at, sells);
}

/* A whole number of Python's own, at least zero; -1 for anything else, which raises nothing. */
static long long
not_below_zero(PyObject *number)
{
    int beyond = 0;
    long long value = PyLong_CheckExact(number) ? PyLong_AsLongLongAndOverflow(number, &beyond) : -1;
    return beyond || value < 0 ? -1 : value;
}

static PyObject *
take_in(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    if (count != 7) {
        PyErr_Format(PyExc_TypeError, "take_in: found %zd arguments, expected 7", count);
        return NULL;
    }
    Asked asked = {.tick = not_below_zero(given[2]), .lot = not_below_zero(given[3]),
                   .after = not_below_zero(given[4]), .bids = given[5], .asks = given[6]};
    if (!(PyBytes_CheckExact(given[0]) && PyBytes_CheckExact(given[1]) && asked.tick > 0 &&
          asked.lot > 0 && asked.after >= 0 && PyDict_CheckExact(asked.bids) &&
          PyDict_CheckExact(asked.asks))) {
        Py_RETURN_NONE;
    }
    asked.name = PyBytes_AS_STRING(given[1]);
    asked.size = PyBytes_GET_SIZE(given[1]);
    Text text = {PyBytes_AS_STRING(given[0]),
                 PyBytes_AS_STRING(given[0]) + PyBytes_GET_SIZE(given[0])};
    if (LITERAL(&text, "{\"e\":\"depthUpdate\",\"E\":")) {
        return diff(&text, &asked);
    }
    if (LITERAL(&text, "{\"e\":\"trade\",\"E\":")) {
        return trade(&text, &asked);
    }
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"open_frame", open_frame, METH_O, "Stream and payload of a frame; None where it is not known."},
    {"take_in", (PyCFunction)(void (*)(void))take_in, METH_FASTCALL,
     "take_in(payload, name, tick, lot, after, bids, asks): (first, last) of a diff, whose lots are in "
     "bids and asks then if it ends after `after`; (id, price, lots, at, sells) of a trade; else None."},
    {NULL, NULL, 0, NULL},
};

static int
set_up(PyObject *module)
{
    return PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_recorded",
    .m_doc = "The compiled twin of what pitwire.sim.capture reads.",
    .m_methods = methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__recorded(void)
{
    return PyModuleDef_Init(&module);
}
