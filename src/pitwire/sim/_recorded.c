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

/* What a frame says of a market, read and not written down. */
typedef struct {
    int sells, bid_count, ask_count;
    long long first, last, id, price, lots, at;
    Level bids[MOST_LEVELS], asks[MOST_LEVELS];
} Said;

static int
read_diff(Text *text, const Asked *asked, Said *said)
{
    long long at;
    return whole(text, &at) && LITERAL(text, ",\"s\":\"") &&
           named(text, asked->name, asked->size) && LITERAL(text, ",\"U\":") &&
           whole(text, &said->first) && LITERAL(text, ",\"u\":") && whole(text, &said->last) &&
           LITERAL(text, ",\"b\":") &&
           (said->bid_count = side_of(text, asked->tick, asked->lot, said->bids)) >= 0 &&
           LITERAL(text, ",\"a\":") &&
           (said->ask_count = side_of(text, asked->tick, asked->lot, said->asks)) >= 0 &&
           LITERAL(text, "}") && text->at == text->end;
}

static int
write_diff(const Asked *asked, const Said *said)
{
    return put_down(asked->bids, said->bids, said->bid_count) < 0
               ? -1
               : put_down(asked->asks, said->asks, said->ask_count);
}

static PyObject *
diff(Text *text, const Asked *asked)
{
    Said said;
    if (!read_diff(text, asked, &said)) {
        Py_RETURN_NONE;
    }
    if (said.last > asked->after && write_diff(asked, &said) < 0) {
        return NULL;
    }
    return Py_BuildValue("LL", said.first, said.last);
}

static int
read_trade(Text *text, const Asked *asked, Said *said)
{
    long long sent;
    if (!(whole(text, &sent) && LITERAL(text, ",\"s\":\"") &&
          named(text, asked->name, asked->size) && LITERAL(text, ",\"t\":") &&
          whole(text, &said->id) && LITERAL(text, ",\"p\":") &&
          priced(text, asked->tick, &said->price) && LITERAL(text, ",\"q\":") &&
          sized(text, asked->lot, &said->lots) && LITERAL(text, ",\"T\":") &&
          whole(text, &said->at) && LITERAL(text, ",\"m\":"))) {
        return 0;
    }
    said->sells = LITERAL(text, "true");
    return (said->sells || LITERAL(text, "false")) && LITERAL(text, ",\"M\":true}") &&
           text->at == text->end;
}

static PyObject *
trade(Text *text, const Asked *asked)
{
    Said said;
    if (!read_trade(text, asked, &said)) {
        Py_RETURN_NONE;
    }
    return Py_BuildValue("LLLLi", said.id, said.price, said.lots, said.at, said.sells);
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

/* ── frames that come alone, one after the other ─────────────────────────────────────────────── */

/* Names of what is looked at and written: the very attributes that the plain way uses. */
static struct {
    PyObject *alive, *append, *arrival, *deliver, *due, *elapsed, *frame, *frames, *is_behind,
        *last_id, *last_stamp, *listener, *on_frame, *paused, *played, *popleft, *queue, *ready,
        *shift, *spelling, *start, *stirred, *upcoming, *never;
} known_as;

/* One ride, as long as nothing else comes first. */
typedef struct {
    PyObject *loop, *market, *link, *known, *agenda, *wakes, *promise, *sent, *queue, *listener;
    long long until, start, shift, due;
} Ride;

/* What a frame says, read to its end and not written down yet. */
typedef struct {
    PyObject *raw, *stream, *route, *book, *prefix;
    long long stamp;
    const char *payload, *end;
    int is_read;
} Frame;

/* A whole number; what is beyond a machine word is as large as one can be. */
static int
number_of(PyObject *found, long long *value)
{
    int beyond = 0;
    if (found == NULL) {
        return -1;
    }
    *value = PyLong_AsLongLongAndOverflow(found, &beyond);
    if (beyond > 0) {
        *value = PY_LLONG_MAX;
    }
    return beyond >= 0 && *value == -1 && PyErr_Occurred() ? -1 : 0;
}

static int
number_in(PyObject *whose, PyObject *name, long long *value)
{
    PyObject *found = PyObject_GetAttr(whose, name);
    int failed = number_of(found, value);
    Py_XDECREF(found);
    return failed;
}

static int
set_number(PyObject *whose, PyObject *name, long long value)
{
    PyObject *number = PyLong_FromLongLong(value);
    int failed = number == NULL ? -1 : PyObject_SetAttr(whose, name, number);
    Py_XDECREF(number);
    return failed;
}

/* Whether an attribute is true: 1, 0, or -1 for an error. */
static int
truth_of(PyObject *whose, PyObject *name)
{
    PyObject *found = PyObject_GetAttr(whose, name);
    int is_true = found == NULL ? -1 : PyObject_IsTrue(found);
    Py_XDECREF(found);
    return is_true;
}

/* A time, and the place among what is due at it. */
typedef struct {
    long long at, place;
} Place;

static int
place_of(PyObject *found, Place *place)
{
    if (!PyTuple_Check(found) || PyTuple_GET_SIZE(found) < 2) {
        PyErr_SetString(PyExc_TypeError, "ride: expected a time and a place, or a time and what");
        return -1;
    }
    return number_of(PyTuple_GET_ITEM(found, 0), &place->at) < 0
               ? -1
               : number_of(PyTuple_GET_ITEM(found, 1), &place->place);
}

/* When anything is to be done by the agenda; never, where there is nothing. */
static int
soonest(PyObject *agenda, Place *first)
{
    first->at = first->place = PY_LLONG_MAX;
    return PyList_GET_SIZE(agenda) == 0 ? 0 : place_of(PyList_GET_ITEM(agenda, 0), first);
}

/* What is at one end of a deque, or NULL: nothing, if no error is set. */
static PyObject *
at_end(PyObject *deque, Py_ssize_t index)
{
    Py_ssize_t size = PyObject_Size(deque);
    return size <= 0 ? NULL : PySequence_GetItem(deque, index < 0 ? size - 1 : index);
}

static int
append(PyObject *deque, PyObject *what)
{
    PyObject *done = what == NULL ? NULL : PyObject_CallMethodOneArg(deque, known_as.append, what);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* It is this time now, or later already (`PlayedLoop.reach`). */
static int
reach(const Ride *ride, long long at, long long *now)
{
    long long elapsed;
    if (number_in(ride->loop, known_as.elapsed, &elapsed) < 0) {
        return -1;
    }
    if (at - ride->start <= elapsed) {
        *now = ride->start + elapsed;
        return 0;
    }
    *now = at;
    return set_number(ride->loop, known_as.elapsed, at - ride->start);
}

/* Whether the link hands over what arrives. */
static int
hands_over(PyObject *link)
{
    int is = truth_of(link, known_as.alive);
    if (is > 0) {
        is = truth_of(link, known_as.ready);
    }
    if (is > 0 && (is = truth_of(link, known_as.paused)) >= 0) {
        is = !is;
    }
    return is;
}

/* Whether this is a frame that only the link of this ride hears, and of a stream that is known;
 * what is in `frame` then is borrowed, but for its stream and its route. */
static int
is_plain(const Ride *ride, PyObject *upcoming, Frame *frame)
{
    if (!PyTuple_CheckExact(upcoming) || PyTuple_GET_SIZE(upcoming) != 2 ||
        !PyLong_CheckExact(PyTuple_GET_ITEM(upcoming, 0)) ||
        !PyBytes_CheckExact(PyTuple_GET_ITEM(upcoming, 1))) {
        return 0;
    }
    frame->raw = PyTuple_GET_ITEM(upcoming, 1);
    frame->stamp = not_below_zero(PyTuple_GET_ITEM(upcoming, 0));
    Text text = {PyBytes_AS_STRING(frame->raw),
                 PyBytes_AS_STRING(frame->raw) + PyBytes_GET_SIZE(frame->raw)};
    Py_ssize_t size;
    if (frame->stamp < 0 || !LITERAL(&text, "{\"stream\":\"")) {
        return 0;
    }
    const char *name = text.at;
    if (!string(&text, &size) || !size || !LITERAL(&text, ",\"data\":") || text.at == text.end ||
        text.end[-1] != '}') {
        return 0;
    }
    frame->payload = text.at;
    frame->end = text.end - 1;
    frame->stream = PyUnicode_FromStringAndSize(name, size);
    if (frame->stream == NULL) {
        return -1;
    }
    PyObject *route = PyDict_GetItemWithError(ride->known, frame->stream);
    if (route == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    frame->route = Py_NewRef(route);
    PyObject *reading = PyTuple_GET_ITEM(route, 0), *hearers = PyTuple_GET_ITEM(route, 1);
    if (!PyTuple_CheckExact(reading) || !PyList_CheckExact(hearers) || PyList_GET_SIZE(hearers) != 1) {
        return 0;
    }
    PyObject *hearer = PyList_GET_ITEM(hearers, 0);
    frame->book = PyTuple_GET_ITEM(reading, 0);
    frame->is_read = PyTuple_GET_ITEM(reading, 1) == Py_True;
    frame->prefix = PyTuple_GET_ITEM(hearer, 1);
    return PyTuple_GET_ITEM(hearer, 0) == ride->link && PyBytes_CheckExact(frame->prefix);
}

/* The next frame is due at its time, but not before the one ahead of it. */
static int
put_off(Ride *ride, PyObject *next)
{
    long long stamp;
    if (!PyTuple_Check(next) || PyTuple_GET_SIZE(next) < 1) {
        PyErr_SetString(PyExc_TypeError, "ride: expected frames that are stamp and payload");
        return -1;
    }
    if (number_of(PyTuple_GET_ITEM(next, 0), &stamp) < 0) {
        return -1;
    }
    int is_beyond = ride->shift > 0 && stamp > PY_LLONG_MAX - ride->shift;
    long long due = is_beyond ? PY_LLONG_MAX : ride->shift + stamp;
    if (due <= ride->due) {
        return 0;
    }
    ride->due = due;
    return set_number(ride->market, known_as.due, due);
}

/* Take the frame from the recording (`RecordedMarket.take`). */
static int
take(Ride *ride, const Frame *frame)
{
    long long played;
    PyObject *market = ride->market;
    if (number_in(market, known_as.played, &played) < 0 ||
        set_number(market, known_as.last_stamp, frame->stamp) < 0 ||
        set_number(market, known_as.played, played + 1) < 0) {
        return -1;
    }
    PyObject *frames = PyObject_GetAttr(market, known_as.frames);
    PyObject *next = frames == NULL ? NULL : PyIter_Next(frames);
    Py_XDECREF(frames);
    if (next == NULL) {
        if (PyErr_Occurred()) {
            return -1;
        }
        ride->due = PY_LLONG_MAX;
        return PyObject_SetAttr(market, known_as.upcoming, Py_None) < 0
                   ? -1
                   : PyObject_SetAttr(market, known_as.due, known_as.never);
    }
    int failed = PyObject_SetAttr(market, known_as.upcoming, next) < 0 || put_off(ride, next) < 0;
    Py_DECREF(next);
    return failed ? -1 : 0;
}

/* The frame as the link hears it; mostly it is what was recorded. */
static PyObject *
framed(const Frame *frame)
{
    Py_ssize_t before = PyBytes_GET_SIZE(frame->prefix), size = frame->end - frame->payload;
    const char *prefix = PyBytes_AS_STRING(frame->prefix), *raw = PyBytes_AS_STRING(frame->raw);
    if (!before) {
        return PyBytes_FromStringAndSize(frame->payload, size);
    }
    if (before == frame->payload - raw && memcmp(prefix, raw, (size_t)before) == 0) {
        return Py_NewRef(frame->raw);
    }
    PyObject *made = PyBytes_FromStringAndSize(NULL, before + size + 1);
    if (made != NULL) {
        char *at = PyBytes_AS_STRING(made);
        memcpy(at, prefix, (size_t)before);
        memcpy(at + before, frame->payload, (size_t)size);
        at[before + size] = '}';
    }
    return made;
}

/* How a book's frames are spelt, and where what they say is put down (`RecordedBook.spelling`). */
static int
spelt(PyObject *spelling, Asked *asked, long long *most)
{
    if (!PyTuple_CheckExact(spelling) || PyTuple_GET_SIZE(spelling) != 6) {
        return 0;
    }
    PyObject **found = ((PyTupleObject *)spelling)->ob_item;
    asked->tick = not_below_zero(found[1]);
    asked->lot = not_below_zero(found[2]);
    asked->bids = found[3];
    asked->asks = found[4];
    *most = not_below_zero(found[5]);
    if (!(PyBytes_CheckExact(found[0]) && asked->tick > 0 && asked->lot > 0 && *most >= 0 &&
          PyDict_CheckExact(asked->bids) && PyDict_CheckExact(asked->asks))) {
        return 0;
    }
    asked->name = PyBytes_AS_STRING(found[0]);
    asked->size = PyBytes_GET_SIZE(found[0]);
    return 1;
}

enum { NOT_PLAIN, DIFF, TRADE };

/* A trade, or a diff that follows what the book counts already; anything else is not plain. */
static int
read_said(const Frame *frame, const Asked *asked, Said *said)
{
    Text text = {frame->payload, frame->end};
    if (LITERAL(&text, "{\"e\":\"trade\",\"E\":")) {
        return read_trade(&text, asked, said) ? TRADE : NOT_PLAIN;
    }
    long long known;
    if (!LITERAL(&text, "{\"e\":\"depthUpdate\",\"E\":") || !read_diff(&text, asked, said)) {
        return NOT_PLAIN;
    }
    if (number_in(frame->book, known_as.last_id, &known) < 0) {
        return -1;
    }
    return said->last > known && (!known || said->first <= known + 1) ? DIFF : NOT_PLAIN;
}

/* Remember it while nothing of ours is open (`RecordedMarket.note`). */
static int
note(const Ride *ride, const Frame *frame, const Asked *asked, const Said *said, long long most,
     int kind, long long now)
{
    PyObject *done = NULL;
    if (kind == TRADE) {
        done = PyObject_CallMethod(frame->book, "hear_trade", "LLLOLL", said->id, said->price,
                                   said->lots, said->sells ? Py_True : Py_False, said->at, now);
    }
    else if (write_diff(asked, said) == 0 &&
             set_number(frame->book, known_as.last_id, said->last) == 0) {
        int is_long = PyDict_GET_SIZE(asked->bids) + PyDict_GET_SIZE(asked->asks) > most;
        done = is_long ? PyObject_CallMethod(frame->book, "tidy", "L", now) : Py_NewRef(Py_None);
    }
    if (done == NULL) {
        return -1;
    }
    Py_DECREF(done);
    return PyObject_SetAttr(ride->market, known_as.is_behind, Py_True);
}

/* Hand a frame over, the last of a burst or not. */
static int
hear(const Ride *ride, PyObject *frame, int is_last)
{
    PyObject *given[] = {ride->listener, frame, is_last ? Py_True : Py_False};
    PyObject *done = PyObject_VectorcallMethod(known_as.on_frame, given, 3, NULL);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* Let it wait on its link, and be waked for once, if nothing that is there is waked for later
 * (`Express._await`). */
static int
await(const Ride *ride, PyObject *arrives, PyObject *heard, PyObject *stream)
{
    Place last = {.at = PY_LLONG_MIN}, mine;
    PyObject *before = at_end(ride->queue, -1);
    if ((before == NULL && PyErr_Occurred()) || number_of(arrives, &mine.at) < 0 ||
        (before != NULL && number_of(PyTuple_GET_ITEM(before, 0), &last.at) < 0)) {
        Py_XDECREF(before);
        return -1;
    }
    PyObject *at = mine.at <= last.at ? PyTuple_GET_ITEM(before, 0) : arrives;
    PyObject *sent = PyObject_CallFunctionObjArgs(ride->sent, heard, stream, NULL);
    PyObject *waits = sent == NULL ? NULL : PyTuple_Pack(2, at, sent);
    int failed = waits == NULL ? -1 : 0;
    if (!failed && at == arrives) {
        PyObject *place = PyObject_CallNoArgs(ride->promise);
        PyObject *wake = place == NULL ? NULL : PyTuple_Pack(2, arrives, place);
        failed = append(ride->wakes, wake);
        Py_XDECREF(place);
        Py_XDECREF(wake);
    }
    failed = failed || append(ride->queue, waits) < 0 ? -1 : 0;
    Py_XDECREF(before);
    Py_XDECREF(sent);
    Py_XDECREF(waits);
    return failed;
}

/* Hand the frame over where nothing can come before it arrives; else let it wait. */
static int
send(const Ride *ride, const Frame *frame, long long now)
{
    Place next;
    long long at;
    int is = -1;
    PyObject *left = PyLong_FromLongLong(now);
    PyObject *arrives =
        left == NULL ? NULL : PyObject_CallMethodOneArg(ride->link, known_as.arrival, left);
    PyObject *heard = arrives == NULL ? NULL : framed(frame);
    if (heard != NULL && number_of(arrives, &at) == 0 && soonest(ride->agenda, &next) == 0) {
        int is_alone = at < ride->due && at < ride->until && at < next.at;
        is = is_alone ? hands_over(ride->link) : 0;
        if (is > 0) {
            Py_ssize_t waiting = PyObject_Size(ride->queue);
            is = waiting < 0 ? -1 : !waiting;
        }
        if (is > 0) {
            is = reach(ride, at, &now) < 0 ? -1 : hear(ride, heard, 1);
        }
        else if (is == 0 && (is = truth_of(ride->link, known_as.alive)) > 0) {
            is = await(ride, arrives, heard, frame->stream);
        }
    }
    Py_XDECREF(left);
    Py_XDECREF(arrives);
    Py_XDECREF(heard);
    return is < 0 ? -1 : 0;
}

/* What has arrived by now, and is frames alone; None where the link must look for itself. */
static PyObject *
arrived(const Ride *ride, long long now)
{
    PyObject *found = PyList_New(0);
    Py_ssize_t size = PyObject_Size(ride->queue);
    int goes_on = found != NULL && size >= 0;
    for (Py_ssize_t index = 0; goes_on && index < size; index++) {
        Place place = {.at = PY_LLONG_MAX};
        PyObject *waits = PySequence_GetItem(ride->queue, index);
        goes_on = waits != NULL && number_of(PyTuple_GET_ITEM(waits, 0), &place.at) == 0;
        if (goes_on && place.at > now) {
            Py_DECREF(waits);
            return found;
        }
        if (goes_on && (PyObject *)Py_TYPE(PyTuple_GET_ITEM(waits, 1)) != ride->sent) {
            Py_DECREF(waits);
            Py_DECREF(found);
            Py_RETURN_NONE;
        }
        PyObject *frame =
            goes_on ? PyObject_GetAttr(PyTuple_GET_ITEM(waits, 1), known_as.frame) : NULL;
        goes_on = frame != NULL && PyList_Append(found, frame) == 0;
        Py_XDECREF(frame);
        Py_XDECREF(waits);
    }
    if (!goes_on && found != NULL && (size < 0 || PyErr_Occurred())) {
        Py_CLEAR(found);
    }
    return found;
}

/* Hand over everything that has arrived on the link (`MemoryLink.deliver`). */
static int
deliver(const Ride *ride, long long now)
{
    int is = hands_over(ride->link);
    PyObject *frames = is > 0 ? arrived(ride, now) : Py_NewRef(Py_None);
    if (is < 0 || frames == NULL) {
        Py_XDECREF(frames);
        return -1;
    }
    if (frames == Py_None) {
        PyObject *when = PyLong_FromLongLong(now), *done = NULL;
        if (when != NULL) {
            done = PyObject_CallMethodOneArg(ride->link, known_as.deliver, when);
        }
        Py_XDECREF(when);
        Py_XDECREF(done);
        is = done == NULL ? -1 : 1;
    }
    Py_ssize_t size = frames == Py_None ? 0 : PyList_GET_SIZE(frames);
    for (Py_ssize_t index = 0; is > 0 && index < size; index++) {
        PyObject *done = PyObject_CallMethodNoArgs(ride->queue, known_as.popleft);
        is = done == NULL ? -1 : 1;
        Py_XDECREF(done);
    }
    for (Py_ssize_t index = 0; is > 0 && index < size; index++) {
        is = hear(ride, PyList_GET_ITEM(frames, index), index == size - 1) < 0 ? -1 : 1;
    }
    Py_DECREF(frames);
    return is < 0 ? -1 : 0;
}

/* Play one frame: 1 where that is done, 0 where it is not plain, and nothing is; -1 for an error. */
static int
play(Ride *ride, PyObject *upcoming, Frame *frame)
{
    Said said;
    Asked asked;
    long long now, most = 0;
    int kind = NOT_PLAIN, is = is_plain(ride, upcoming, frame);
    if (is <= 0) {
        return is;
    }
    if (frame->is_read) {
        PyObject *spelling = PyObject_GetAttr(frame->book, known_as.spelling);
        if (spelling == NULL) {
            return -1;
        }
        kind = spelt(spelling, &asked, &most) ? read_said(frame, &asked, &said) : NOT_PLAIN;
        Py_DECREF(spelling); /* the book has it as long as it lives */
        if (kind <= NOT_PLAIN) {
            return kind;
        }
    }
    else {
        Text text = {frame->payload, frame->end};
        if (!any_value(&text, 0) || text.at != text.end) {
            return 0;
        }
    }
    if (reach(ride, ride->due, &now) < 0 || take(ride, frame) < 0 ||
        (kind && note(ride, frame, &asked, &said, most, kind, now) < 0) ||
        send(ride, frame, now) < 0) {
        return -1;
    }
    return 1;
}

/* One step: a burst that has arrived, or a frame that is due. */
static int
step(Ride *ride)
{
    Place next, wake = {.at = PY_LLONG_MAX};
    int stirred = truth_of(ride->loop, known_as.stirred);
    if (stirred) {
        return stirred < 0 ? -1 : 0;
    }
    PyObject *waked = at_end(ride->wakes, 0);
    if (waked == NULL ? PyErr_Occurred() != NULL : place_of(waked, &wake) < 0) {
        Py_XDECREF(waked);
        return -1;
    }
    Py_XDECREF(waked);
    if (number_in(ride->market, known_as.due, &ride->due) < 0 ||
        soonest(ride->agenda, &next) < 0) {
        return -1;
    }
    if (waked != NULL && wake.at < ride->due) {
        long long now;
        if (wake.at >= ride->until || next.at < wake.at ||
            (next.at == wake.at && next.place < wake.place)) {
            return 0;
        }
        PyObject *done = PyObject_CallMethodNoArgs(ride->wakes, known_as.popleft);
        Py_XDECREF(done);
        return done == NULL || reach(ride, wake.at, &now) < 0 || deliver(ride, now) < 0 ? -1 : 1;
    }
    if (ride->due >= ride->until || next.at < ride->due) {
        return 0;
    }
    Frame frame = {.stream = NULL};
    PyObject *upcoming = PyObject_GetAttr(ride->market, known_as.upcoming);
    int goes_on = upcoming == NULL ? -1 : play(ride, upcoming, &frame);
    Py_XDECREF(frame.stream);
    Py_XDECREF(frame.route);
    Py_XDECREF(upcoming);
    return goes_on;
}

static PyObject *
ride(PyObject *Py_UNUSED(module), PyObject *const *given, Py_ssize_t count)
{
    if (count != 9 || !PyDict_CheckExact(given[3]) || !PyList_CheckExact(given[4])) {
        PyErr_SetString(PyExc_TypeError, "ride: expected loop, market, link, known, agenda, until, "
                                         "wakes, promise, SendText");
        return NULL;
    }
    Ride self = {.loop = given[0], .market = given[1], .link = given[2], .known = given[3],
                 .agenda = given[4], .wakes = given[6], .promise = given[7], .sent = given[8]};
    if (number_of(given[5], &self.until) < 0 ||
        number_in(self.loop, known_as.start, &self.start) < 0 ||
        number_in(self.market, known_as.shift, &self.shift) < 0) {
        return NULL;
    }
    self.listener = PyObject_GetAttr(self.link, known_as.listener);
    self.queue = PyObject_GetAttr(self.link, known_as.queue);
    int goes_on = self.listener == NULL || self.queue == NULL ? -1 : 1;
    while (goes_on > 0) {
        goes_on = step(&self);
    }
    Py_XDECREF(self.listener);
    Py_XDECREF(self.queue);
    int stirred = goes_on < 0 ? -1 : truth_of(self.loop, known_as.stirred);
    return stirred < 0 ? NULL : PyBool_FromLong(!stirred);
}

static PyMethodDef methods[] = {
    {"open_frame", open_frame, METH_O, "Stream and payload of a frame; None where it is not known."},
    {"take_in", (PyCFunction)(void (*)(void))take_in, METH_FASTCALL,
     "take_in(payload, name, tick, lot, after, bids, asks): (first, last) of a diff, whose lots are in "
     "bids and asks then if it ends after `after`; (id, price, lots, at, sells) of a trade; else None."},
    {"ride", (PyCFunction)(void (*)(void))ride, METH_FASTCALL,
     "ride(loop, market, link, known, agenda, until, wakes, promise, SendText): play what only this "
     "link hears, of streams that are known, until something else comes first, or is not plain; "
     "False where that is because somebody is stirred."},
    {NULL, NULL, 0, NULL},
};

static int
set_up(PyObject *module)
{
    static const struct {
        PyObject **where;
        const char *name;
    } names[] = {
        {&known_as.alive, "alive"}, {&known_as.append, "append"},
        {&known_as.arrival, "arrival"}, {&known_as.deliver, "deliver"}, {&known_as.due, "due"},
        {&known_as.elapsed, "elapsed"}, {&known_as.frame, "frame"}, {&known_as.frames, "frames"},
        {&known_as.is_behind, "is_behind"}, {&known_as.last_id, "last_id"},
        {&known_as.last_stamp, "last_stamp"}, {&known_as.listener, "listener"},
        {&known_as.on_frame, "on_frame"}, {&known_as.paused, "paused"},
        {&known_as.played, "played"}, {&known_as.popleft, "popleft"},
        {&known_as.queue, "queue"}, {&known_as.ready, "ready"},
        {&known_as.shift, "shift"}, {&known_as.spelling, "spelling"}, {&known_as.start, "start"},
        {&known_as.stirred, "stirred"}, {&known_as.upcoming, "upcoming"},
    };
    for (size_t index = 0; index < sizeof(names) / sizeof(names[0]); index++) {
        if (*names[index].where == NULL &&
            (*names[index].where = PyUnicode_InternFromString(names[index].name)) == NULL) {
            return -1;
        }
    }
    if (known_as.never == NULL &&
        (known_as.never = PyLong_FromUnsignedLongLong(1ULL << 63)) == NULL) {
        return -1;
    }
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
