/* The compiled twin of the steady state of `pitwire.session.hearing`.
 *
 * A frame of one trade, quote or delta, of a symbol that has spoken before, in its order, or one
 * that another copy has brought: it notes and tells what `Hearing.receive` would. Whatever else
 * comes, it leaves to that, and has then done nothing but decode. It writes nothing before it knows
 * that all is plain. The tables that it looks at are those of the session, by the exact types that
 * it was told of; a value of another type is left to Python, too.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

/* Beyond this lies no number of which a difference may be taken: two of them would not fit. */
static const long long LARGEST = 1LL << 62;
enum { SMOOTH = 4 }; /* as in copies.py */

#define TYPES_OF(X) X(EVENT) X(TRADE) X(QUOTE) X(DELTA) X(SYNC) X(COPY) X(LANE) X(READER) X(PLAIN)
#define AS_ENUM(name) name,
enum { TYPES_OF(AS_ENUM) TYPES };

/* What is looked at in a slot: of which type, by which name. */
#define PLACES_OF(X)                                                                               \
    X(SYMBOL, EVENT, symbol) X(SENT, EVENT, venue_time) X(RECEIVED, EVENT, received)               \
    X(TRADE_ID, TRADE, trade_id) X(UPDATE_ID, QUOTE, update_id)                                    \
    X(FIRST_ID, DELTA, first_id) X(LAST_ID, DELTA, last_id)                                        \
    X(LIVE, SYNC, live) X(STANDS_AT, SYNC, last_id) X(NEXT_ID, SYNC, next_id) X(OLD, SYNC, _old)   \
    X(OLD_AT, SYNC, _old_at) X(HOLD, SYNC, _hold) X(DENSE, SYNC, _dense)                           \
    X(SPLICED, SYNC, _spliced)                                                                     \
    X(SHARED, COPY, shared) X(WINS, COPY, wins) X(CUTS, COPY, cuts) X(DELAY, COPY, _delay)         \
    X(NEWEST, LANE, _newest) X(EPOCH, LANE, _epoch) X(READERS, LANE, _readers)                     \
    X(READER_AT, READER, at) X(READER_EPOCH, READER, epoch)                                        \
    X(HEARD_AT, PLAIN, at) X(DECODE, PLAIN, decode)
#define AS_PLACE(place, type, name) place,
#define AS_PAIR(place, type, name) {type, #name},
enum { PLACES_OF(AS_PLACE) PLACES };
static const struct {
    int type;
    const char *name;
} WHERE[PLACES] = {PLACES_OF(AS_PAIR)};

typedef struct {
    PyTypeObject *type[TYPES];
    Py_ssize_t place[PLACES];
    PyObject *forget, *receive, *waits, *stirred, *dropped;
    Py_ssize_t longest, most;
    long long sampled, mask;
} Known;

/* What one connection looks at; all of it stays the same object for as long as it lives. */
#define TABLES_OF(X)                                                                               \
    X(trades) X(quotes) X(deltas) X(steady) X(syncs) X(early) X(held) X(lanes) X(told) X(told_trades)  \
    X(told_quotes) X(told_deltas)
#define AS_MEMBER(name) PyObject *name;
typedef struct {
    PyObject_HEAD
    const Known *known; /* of the module, which the type holds */
    PyObject *plain, *copy, *feed, *chain, *head;
    TABLES_OF(AS_MEMBER) /* each a dict */
    Py_ssize_t head_bytes;
} Hearing;

typedef enum { FAILS = -1, LEAVES, DONE, READS } Course;
/* An error is set; it is left to Python; it is told; it is no repeat and is to be read. */

/* ── what is in a slot ─────────────────────────────────────────────────────────────────────── */

static PyObject **
slot(const Known *known, PyObject *object, int place)
{
    return (PyObject **)((char *)object + known->place[place]);
}

static PyObject *
get(const Known *known, PyObject *object, int place) /* borrowed; NULL where nothing is */
{
    return *slot(known, object, place);
}

static void
put(const Known *known, PyObject *object, int place, PyObject *value) /* takes it over */
{
    PyObject **at = slot(known, object, place), *old = *at;
    *at = value;
    Py_XDECREF(old);
}

static int
is_number(PyObject *object, long long *found)
{
    if (object == NULL || !PyLong_CheckExact(object)) {
        return 0;
    }
    int beyond;
    *found = PyLong_AsLongLongAndOverflow(object, &beyond);
    return !beyond && -LARGEST < *found && *found < LARGEST;
}

static int
number_at(const Known *known, PyObject *object, int place, long long *found)
{
    return is_number(get(known, object, place), found);
}

static int
put_number(const Known *known, PyObject *object, int place, long long number)
{
    PyObject *made = PyLong_FromLongLong(number);
    if (made == NULL) {
        return -1;
    }
    put(known, object, place, made);
    return 0;
}

/* 1 or 0; anything but these two is neither. */
static int
is_true(const Known *known, PyObject *object, int place)
{
    PyObject *found = get(known, object, place);
    return found == Py_True ? 1 : (found == Py_False ? 0 : -1);
}

static int
is_of(const Known *known, PyObject *object, int type)
{
    return Py_IS_TYPE(object, known->type[type]);
}

/* ── what is noted ─────────────────────────────────────────────────────────────────────────── */

/* Of what is not kept, or was not read, the times: `(venue_time, now)`. */
static int
note_times(PyObject *heard, PyObject *symbol, PyObject *sent, PyObject *now)
{
    PyObject *times = PyTuple_Pack(2, sent, now);
    if (times == NULL) {
        return -1;
    }
    PyObject_GC_UnTrack(times); /* numbers are in no cycle */
    int failed = PyDict_SetItem(heard, symbol, times);
    Py_DECREF(times);
    return failed;
}

static int
set_number(PyObject *table, PyObject *symbol, long long number)
{
    PyObject *made = PyLong_FromLongLong(number);
    int failed = made == NULL ? -1 : PyDict_SetItem(table, symbol, made);
    Py_XDECREF(made);
    return failed;
}

/* Rounded down, as Python does it. */
static long long
part_of(long long number)
{
    long long part = 1LL << SMOOTH;
    return number / part - (number % part < 0);
}

/* What `Copy.measure` would make of its delay; whether that is plain. */
static int
measures(const Hearing *self, PyObject *sent, PyObject *received, long long *delay)
{
    const Known *known = self->known;
    long long from, until;
    if (!is_number(sent, &from) || !is_number(received, &until) ||
        !number_at(known, self->copy, DELAY, delay)) {
        return 0;
    }
    if (from != 0) {
        long long took = until - from;
        if (took <= -LARGEST || took >= LARGEST) {
            return 0;
        }
        *delay = *delay ? *delay + part_of(took - *delay) : took;
    }
    return 1;
}

/* What was told of a frame, or of the head of one, is looked up by whoever brings it again. */
static int
remember(const Hearing *self, PyObject *key, PyObject *what)
{
    if (PyDict_SetItem(self->told, key, what) < 0) {
        return -1;
    }
    if (PyDict_GET_SIZE(self->told) <= self->known->most) {
        return 0;
    }
    PyObject *done = PyObject_CallOneArg(self->known->forget, self->told);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

static int
keep_in_ring(PyObject *ring, Py_ssize_t at, PyObject *event)
{
    return PyList_SetItem(ring, at, Py_NewRef(event));
}

/* ── in its order ──────────────────────────────────────────────────────────────────────────── */

/* Whether a trade is the next one: in `number`, which one. */
static Course
trade_follows(const Hearing *self, PyObject *trade, PyObject *symbol, long long *number)
{
    long long due;
    PyObject *found = PyDict_GetItemWithError(self->steady, symbol);
    if (found == NULL) {
        return PyErr_Occurred() ? FAILS : LEAVES;
    }
    return number_at(self->known, trade, TRADE_ID, number) && is_number(found, &due) &&
                   *number == due
               ? DONE
               : LEAVES;
}

/* The same of a delta: in `sync`, borrowed, what it follows in, in `last`, how far it goes. */
static Course
delta_follows(const Hearing *self, PyObject *delta, PyObject *symbol, PyObject **sync,
              long long *last)
{
    const Known *known = self->known;
    long long first, next;
    *sync = PyDict_GetItemWithError(self->syncs, symbol);
    if (*sync == NULL) {
        return PyErr_Occurred() ? FAILS : LEAVES;
    }
    return is_of(known, *sync, SYNC) && is_true(known, *sync, LIVE) == 1 &&
                   number_at(known, *sync, NEXT_ID, &next) && next >= 0 &&
                   number_at(known, delta, FIRST_ID, &first) && first == next &&
                   number_at(known, delta, LAST_ID, last) && next <= *last
               ? DONE
               : LEAVES;
}

static int
go_on(const Hearing *self, PyObject *sync, PyObject *delta, long long last)
{
    if (put_number(self->known, sync, NEXT_ID, last + 1) < 0) {
        return -1;
    }
    put(self->known, sync, STANDS_AT, Py_NewRef(get(self->known, delta, LAST_ID)));
    return 0;
}

#define TRY(course)                                                                                \
    do {                                                                                           \
        Course found = (course);                                                                   \
        if (found != DONE) {                                                                       \
            return found;                                                                          \
        }                                                                                          \
    } while (0)

#define AS_COURSE(failed) ((failed) < 0 ? FAILS : DONE)

/* Where events of this type are kept, and of which symbol this one is. */
static Course
is_known(const Hearing *self, PyObject *event, PyObject **heard, PyObject **symbol)
{
    const Known *known = self->known;
    *heard = is_of(known, event, TRADE)   ? self->trades
             : is_of(known, event, DELTA) ? self->deltas
             : is_of(known, event, QUOTE) ? self->quotes
                                          : NULL;
    if (*heard == NULL) {
        return LEAVES;
    }
    *symbol = get(known, event, SYMBOL);
    if (*symbol == NULL || !PyUnicode_CheckExact(*symbol)) {
        return LEAVES;
    }
    int has = PyDict_Contains(*heard, *symbol);
    return has < 0 ? FAILS : (has ? DONE : LEAVES);
}

/* ── one connection ────────────────────────────────────────────────────────────────────────── */

static Course
take(const Hearing *self, PyObject *event, PyObject *now)
{
    PyObject *heard, *symbol, *sync;
    long long number;
    TRY(is_known(self, event, &heard, &symbol));
    if (heard == self->deltas) {
        TRY(delta_follows(self, event, symbol, &sync, &number));
        PyObject *sent = get(self->known, event, SENT);
        if (sent == NULL) {
            return LEAVES;
        }
        if (go_on(self, sync, event, number) < 0) {
            return FAILS;
        }
        return AS_COURSE(note_times(heard, symbol, sent, now));
    }
    if (heard == self->trades) {
        TRY(trade_follows(self, event, symbol, &number));
        if (set_number(self->steady, symbol, number + 1) < 0) {
            return FAILS;
        }
    }
    return AS_COURSE(PyDict_SetItem(heard, symbol, event));
}

/* ── one of several ────────────────────────────────────────────────────────────────────────── */

/* The ring of a symbol, borrowed. */
static Course
has_ring(const Known *known, PyObject *rings, PyObject *symbol, PyObject **ring)
{
    *ring = PyDict_GetItemWithError(rings, symbol);
    if (*ring == NULL) {
        return PyErr_Occurred() ? FAILS : LEAVES;
    }
    return PyList_CheckExact(*ring) && PyList_GET_SIZE(*ring) == known->mask + 1 ? DONE : LEAVES;
}

static Course
won(const Hearing *self, PyObject *event, PyObject *frame, PyObject *ring, long long number)
{
    const Known *known = self->known;
    long long wins;
    Py_ssize_t size = PyBytes_GET_SIZE(frame);
    if (!number_at(known, self->copy, WINS, &wins) ||
        put_number(known, self->copy, WINS, wins + 1) < 0 ||
        keep_in_ring(ring, (Py_ssize_t)(number & known->mask), event) < 0) {
        return FAILS;
    }
    return size && size <= known->longest ? AS_COURSE(remember(self, frame, event)) : DONE;
}

static Course
merge_trade(const Hearing *self, PyObject *trade, PyObject *symbol, PyObject *frame)
{
    const Known *known = self->known;
    PyObject *ring;
    long long number, delay, wins;
    TRY(trade_follows(self, trade, symbol, &number));
    TRY(has_ring(known, self->told_trades, symbol, &ring));
    int is_sample = !(number & known->sampled);
    if (!number_at(known, self->copy, WINS, &wins) ||
        (is_sample &&
         !measures(self, get(known, trade, SENT), get(known, trade, RECEIVED), &delay))) {
        return LEAVES;
    }
    if ((is_sample && put_number(known, self->copy, DELAY, delay) < 0) ||
        set_number(self->steady, symbol, number + 1) < 0 ||
        PyDict_SetItem(self->trades, symbol, trade) < 0) {
        return FAILS;
    }
    return won(self, trade, frame, ring, number);
}

/* The lane of a quote and who reads it, borrowed, where `Lane.goes_on` can tell; READS where not. */
static Course
has_lane(const Hearing *self, PyObject *symbol, long long number, PyObject **lane,
         PyObject **reader, long long *newest)
{
    const Known *known = self->known;
    long long epoch, at, reads;
    *lane = PyDict_GetItemWithError(self->lanes, symbol);
    if (*lane == NULL || PyDict_GET_SIZE(self->held)) {
        return PyErr_Occurred() ? FAILS : READS;
    }
    if (!is_of(known, *lane, LANE)) {
        return LEAVES;
    }
    PyObject *readers = get(known, *lane, READERS);
    if (readers == NULL || !PyDict_CheckExact(readers)) {
        return LEAVES;
    }
    *reader = PyDict_GetItemWithError(readers, self->copy);
    if (*reader == NULL) {
        return PyErr_Occurred() ? FAILS : READS;
    }
    if (!is_of(known, *reader, READER) || !number_at(known, *lane, NEWEST, newest) ||
        !number_at(known, *lane, EPOCH, &epoch) || !number_at(known, *reader, READER_AT, &at) ||
        !number_at(known, *reader, READER_EPOCH, &reads)) {
        return LEAVES;
    }
    return number < at || reads != epoch ? READS : DONE;
}

static Course
merge_quote(const Hearing *self, PyObject *quote, PyObject *symbol, PyObject *frame)
{
    const Known *known = self->known;
    PyObject *lane, *reader, *ring;
    long long number, newest, wins;
    if (!number_at(known, quote, UPDATE_ID, &number) || number == 0 ||
        !number_at(known, self->copy, WINS, &wins)) {
        return LEAVES;
    }
    TRY(has_lane(self, symbol, number, &lane, &reader, &newest));
    TRY(has_ring(known, self->told_quotes, symbol, &ring));
    if (number <= newest) {
        return LEAVES;
    }
    PyObject *exact = get(known, quote, UPDATE_ID);
    put(known, reader, READER_AT, Py_NewRef(exact));
    put(known, lane, NEWEST, Py_NewRef(exact));
    if (PyDict_SetItem(self->quotes, symbol, quote) < 0) {
        return FAILS;
    }
    return won(self, quote, frame, ring, number);
}

/* ((symbol, venue time, last id), its frame where that is long and to be compared). */
static PyObject *
brief(const Known *known, PyObject *delta, PyObject *symbol, PyObject *whole)
{
    PyObject *glimpse =
        PyTuple_Pack(3, symbol, get(known, delta, SENT), get(known, delta, LAST_ID));
    PyObject *found = glimpse == NULL ? NULL : PyTuple_Pack(2, glimpse, whole);
    Py_XDECREF(glimpse);
    return found;
}

/* By what a delta is looked up, a new reference; None where it is not. */
static PyObject *
key_of(const Hearing *self, PyObject *delta, PyObject *frame)
{
    Py_ssize_t size = PyBytes_GET_SIZE(frame);
    if (size <= self->known->longest) {
        return Py_NewRef(size ? frame : Py_None);
    }
    if (self->head == Py_None) {
        return Py_NewRef(Py_None);
    }
    PyObject *given[] = {frame, get(self->known, delta, LAST_ID)};
    return PyObject_Vectorcall(self->head, given, 2, NULL);
}

static Course
remember_delta(const Hearing *self, PyObject *delta, PyObject *symbol, PyObject *frame,
               PyObject *key, int is_sample)
{
    PyObject *whole = is_sample && PyBytes_GET_SIZE(frame) > self->known->longest
                          ? Py_NewRef(frame)
                          : PyBytes_FromStringAndSize(NULL, 0);
    PyObject *what = whole == NULL ? NULL : brief(self->known, delta, symbol, whole);
    int failed = what == NULL ? -1 : remember(self, key, what);
    Py_XDECREF(whole);
    Py_XDECREF(what);
    return AS_COURSE(failed);
}

static Course
merge_delta(const Hearing *self, PyObject *delta, PyObject *symbol, PyObject *frame, PyObject *now)
{
    const Known *known = self->known;
    PyObject *sync, *sent = get(known, delta, SENT);
    long long last, delay, wins;
    TRY(delta_follows(self, delta, symbol, &sync, &last));
    if (!number_at(known, self->copy, WINS, &wins) ||
        !measures(self, sent, get(known, delta, RECEIVED), &delay)) {
        return LEAVES;
    }
    Py_INCREF(sync); /* the head is looked at by Python */
    PyObject *key = key_of(self, delta, frame);
    int is_sample = !(last & known->sampled);
    Course course = DONE;
    if (key == NULL || put_number(known, self->copy, DELAY, delay) < 0 ||
        put_number(known, self->copy, WINS, wins + 1) < 0 ||
        note_times(self->deltas, symbol, sent, now) < 0 ||
        (is_sample && PyDict_SetItem(self->told_deltas, symbol, delta) < 0) ||
        go_on(self, sync, delta, last) < 0) {
        course = FAILS;
    }
    else if (PyBytes_CheckExact(key)) {
        course = remember_delta(self, delta, symbol, frame, key, is_sample);
    }
    Py_XDECREF(key);
    Py_DECREF(sync);
    return course;
}

static Course
merge(const Hearing *self, PyObject *event, PyObject *frame, PyObject *now)
{
    PyObject *heard, *symbol;
    TRY(is_known(self, event, &heard, &symbol));
    if (heard == self->quotes) {
        return merge_quote(self, event, symbol, frame);
    }
    if (PyDict_GET_SIZE(self->early)) {
        return LEAVES;
    }
    return heard == self->deltas ? merge_delta(self, event, symbol, frame, now)
                                 : merge_trade(self, event, symbol, frame);
}

/* ── what another copy has brought is not read ─────────────────────────────────────────────── */

/* As `BookSync.skips`. */
static Course
skip_in_book(const Hearing *self, PyObject *sync, long long last)
{
    const Known *known = self->known;
    long long stands, old, old_at, hold;
    int live = is_true(known, sync, LIVE), dense = is_true(known, sync, DENSE),
        spliced = is_true(known, sync, SPLICED);
    if (live < 0 || dense < 0 || spliced < 0 || !number_at(known, sync, STANDS_AT, &stands) ||
        !number_at(known, sync, OLD, &old) || !number_at(known, sync, OLD_AT, &old_at) ||
        !number_at(known, sync, HOLD, &hold)) {
        return LEAVES;
    }
    if (!live || last > stands || old >= hold || (last == stands && !dense && !spliced)) {
        return READS;
    }
    if (put_number(known, sync, OLD, old_at == stands ? old + 1 : 1) < 0) {
        return FAILS;
    }
    put(known, sync, OLD_AT, Py_NewRef(get(known, sync, STANDS_AT)));
    return DONE;
}

/* A delta that was told, or of which the head is the same. */
static Course
skip_delta(const Hearing *self, PyObject *found, PyObject *frame, PyObject *now, int same)
{
    const Known *known = self->known;
    if (PyTuple_GET_SIZE(found) != 2 || !PyTuple_CheckExact(PyTuple_GET_ITEM(found, 0)) ||
        PyTuple_GET_SIZE(PyTuple_GET_ITEM(found, 0)) != 3 ||
        !PyBytes_CheckExact(PyTuple_GET_ITEM(found, 1))) {
        return LEAVES;
    }
    PyObject *glimpse = PyTuple_GET_ITEM(found, 0), *whole = PyTuple_GET_ITEM(found, 1);
    PyObject *symbol = PyTuple_GET_ITEM(glimpse, 0), *sent = PyTuple_GET_ITEM(glimpse, 1);
    long long last, delay;
    if (!PyUnicode_CheckExact(symbol) || !is_number(PyTuple_GET_ITEM(glimpse, 2), &last) ||
        !measures(self, sent, now, &delay)) {
        return LEAVES;
    }
    if (PyBytes_GET_SIZE(whole)) {
        same = PyBytes_GET_SIZE(whole) == PyBytes_GET_SIZE(frame) &&
               !memcmp(PyBytes_AS_STRING(whole), PyBytes_AS_STRING(frame),
                       (size_t)PyBytes_GET_SIZE(frame));
        if (!same) {
            return READS; /* it begins alike, and contradicts */
        }
    }
    int has = PyDict_Contains(self->deltas, symbol);
    PyObject *sync = has > 0 ? PyDict_GetItemWithError(self->syncs, symbol) : NULL;
    if (sync == NULL) {
        return PyErr_Occurred() ? FAILS : READS;
    }
    if (!is_of(known, sync, SYNC)) {
        return LEAVES;
    }
    if (!same && !(last & known->sampled)) {
        return READS;
    }
    TRY(skip_in_book(self, sync, last));
    if (put_number(known, self->copy, DELAY, delay) < 0) {
        return FAILS;
    }
    return AS_COURSE(note_times(self->deltas, symbol, sent, now));
}

static Course
skip_trade(const Hearing *self, PyObject *trade, PyObject *symbol, PyObject *now)
{
    const Known *known = self->known;
    long long number, due, delay, count;
    PyObject *next = PyDict_GetItemWithError(self->steady, symbol);
    if (next == NULL || PyDict_GET_SIZE(self->early)) {
        return PyErr_Occurred() ? FAILS : READS;
    }
    if (!number_at(known, trade, TRADE_ID, &number) || !is_number(next, &due)) {
        return LEAVES;
    }
    if (number >= due) {
        return READS;
    }
    int is_sample = !(number & known->sampled);
    if (is_sample && !measures(self, get(known, trade, SENT), now, &delay)) {
        return LEAVES;
    }
    PyObject *dropped = PyObject_GetAttr(self->chain, known->dropped);
    int plain = is_number(dropped, &count);
    Py_XDECREF(dropped);
    if (!plain) {
        return dropped == NULL ? FAILS : LEAVES;
    }
    PyObject *more = PyLong_FromLongLong(count + 1);
    int failed = more == NULL ? -1 : PyObject_SetAttr(self->chain, known->dropped, more);
    Py_XDECREF(more);
    if (failed < 0 || (is_sample && put_number(known, self->copy, DELAY, delay) < 0)) {
        return FAILS;
    }
    return AS_COURSE(note_times(self->trades, symbol, get(known, trade, SENT), now));
}

static Course
skip_quote(const Hearing *self, PyObject *quote, PyObject *symbol, PyObject *now)
{
    const Known *known = self->known;
    PyObject *lane, *reader;
    long long number, newest;
    if (!number_at(known, quote, UPDATE_ID, &number)) {
        return LEAVES;
    }
    TRY(has_lane(self, symbol, number, &lane, &reader, &newest));
    if (number > newest) {
        return READS;
    }
    put(known, reader, READER_AT, Py_NewRef(get(known, quote, UPDATE_ID)));
    return AS_COURSE(note_times(self->quotes, symbol, get(known, quote, SENT), now));
}

static Course
skip_told(const Hearing *self, PyObject *found, PyObject *frame, PyObject *now, int same)
{
    PyObject *heard, *symbol;
    if (PyTuple_CheckExact(found)) {
        return skip_delta(self, found, frame, now, same);
    }
    Course course = is_known(self, found, &heard, &symbol);
    if (course != DONE || heard == self->deltas || get(self->known, found, SENT) == NULL) {
        return course == FAILS ? FAILS : LEAVES;
    }
    return heard == self->trades ? skip_trade(self, found, symbol, now)
                                 : skip_quote(self, found, symbol, now);
}

/* As `Unread.skips`: DONE where it need not be read. */
static Course
skip(const Hearing *self, PyObject *frame, PyObject *now)
{
    const Known *known = self->known;
    Py_ssize_t size = PyBytes_GET_SIZE(frame);
    int same = size <= known->longest;
    PyObject *key = same ? Py_NewRef(frame)
                         : PyBytes_FromStringAndSize(
                               PyBytes_AS_STRING(frame),
                               size < self->head_bytes ? size : self->head_bytes);
    if (key == NULL) {
        return FAILS;
    }
    PyObject *found = PyDict_GetItemWithError(self->told, key);
    Py_DECREF(key);
    if (found == NULL) {
        long long cuts;
        if (PyErr_Occurred()) {
            return FAILS;
        }
        return same || (number_at(known, self->copy, CUTS, &cuts) && cuts == 0) ? READS : LEAVES;
    }
    Py_INCREF(found);
    Course course = skip_told(self, found, frame, now, same);
    Py_DECREF(found);
    return course;
}

/* ── the way of a frame ────────────────────────────────────────────────────────────────────── */

static PyObject *
left(const Hearing *self, PyObject *frame, PyObject *now, PyObject *decoded)
{
    PyObject *given[] = {self->plain, frame, now, decoded};
    return PyObject_VectorcallMethod(self->known->receive, given, decoded == NULL ? 3 : 4, NULL);
}

/* Have done what has become due; what is told goes on. Takes `told` over. */
static PyObject *
stirred(const Hearing *self, PyObject *now, PyObject *told)
{
    PyObject *is = PyObject_GetAttr(self->feed, self->known->stirred);
    int wakes = is == NULL ? -1 : PyObject_IsTrue(is);
    Py_XDECREF(is);
    if (wakes > 0) {
        PyObject *given[] = {self->plain, now};
        PyObject *done = PyObject_VectorcallMethod(self->known->waits, given, 2, NULL);
        Py_XDECREF(done);
        wakes = done == NULL ? -1 : 0;
    }
    if (wakes < 0) {
        Py_CLEAR(told);
    }
    return told;
}

static PyObject *
read_frame(const Hearing *self, PyObject *frame, PyObject *now, int shared)
{
    PyObject *decode = get(self->known, self->plain, DECODE), *given[] = {frame, now};
    if (decode == NULL) {
        return left(self, frame, now, NULL);
    }
    Py_INCREF(decode);
    PyObject *decoded = PyObject_Vectorcall(decode, given, 2, NULL);
    Py_DECREF(decode);
    if (decoded == NULL) {
        return NULL;
    }
    Course course = LEAVES;
    if (PyTuple_CheckExact(decoded) && PyTuple_GET_SIZE(decoded) == 1) {
        PyObject *event = PyTuple_GET_ITEM(decoded, 0);
        course = shared ? merge(self, event, frame, now) : take(self, event, now);
    }
    if (course == DONE) {
        return shared ? stirred(self, now, decoded) : decoded;
    }
    PyObject *told = course == FAILS ? NULL : left(self, frame, now, decoded);
    Py_DECREF(decoded);
    return told;
}

static PyObject *
read_shared(const Hearing *self, PyObject *frame, PyObject *now)
{
    switch (skip(self, frame, now)) {
    case READS:
        return read_frame(self, frame, now, 1);
    case DONE:
        return stirred(self, now, PyTuple_New(0));
    case LEAVES:
        return left(self, frame, now, NULL);
    default:
        return NULL;
    }
}

static PyObject *
hearing_receive(Hearing *self, PyObject *const *arguments, Py_ssize_t count)
{
    if (count != 2 || self->known == NULL) {
        PyErr_SetString(PyExc_TypeError, "receive: expected a frame and a time");
        return NULL;
    }
    PyObject *frame = arguments[0], *now = arguments[1];
    int shared = is_true(self->known, self->copy, SHARED);
    if (shared < 0) {
        return left(self, frame, now, NULL);
    }
    put(self->known, self->plain, HEARD_AT, Py_NewRef(now));
    if (!shared) {
        return read_frame(self, frame, now, 0);
    }
    PyObject *data = PyBytes_CheckExact(frame) ? Py_NewRef(frame) : PyBytes_FromObject(frame);
    if (data == NULL) {
        return NULL;
    }
    PyObject *told = read_shared(self, data, now);
    Py_DECREF(data);
    return told;
}

/* ── the type ──────────────────────────────────────────────────────────────────────────────── */

#define AS_ADDRESS(name) &self->name,
#define AS_COUNT(name) +1
enum { TABLES = TABLES_OF(AS_COUNT), HELD = TABLES + 5 };

static int
hearing_traverse(Hearing *self, visitproc visit, void *arg)
{
    PyObject **held[] = {&self->plain, &self->copy, &self->feed, &self->chain, &self->head,
                         TABLES_OF(AS_ADDRESS)};
    Py_VISIT(Py_TYPE(self));
    for (int number = 0; number < HELD; number++) {
        Py_VISIT(*held[number]);
    }
    return 0;
}

/* Its references are never cleared while anybody may call it: what it holds has no other way into
 * a cycle than through `plain`, and that is cleared by its own type. */
static void
hearing_dealloc(Hearing *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject **held[] = {&self->plain, &self->copy, &self->feed, &self->chain, &self->head,
                         TABLES_OF(AS_ADDRESS)};
    PyObject_GC_UnTrack(self);
    for (int number = 0; number < HELD; number++) {
        Py_XDECREF(*held[number]);
    }
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
hearing_new(PyTypeObject *type, PyObject *arguments, PyObject *names)
{
    PyObject *plain, *copy, *feed, *chain, *head, *tables;
    Py_ssize_t head_bytes;
    const Known *known = PyType_GetModuleState(type);
    if (known == NULL) {
        return NULL;
    }
    if ((names != NULL && PyDict_GET_SIZE(names)) || known->type[PLAIN] == NULL) {
        PyErr_SetString(PyExc_TypeError, "Hearing: expected no names, after `know`");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "OOOOOnO!:Hearing", &plain, &copy, &feed, &chain, &head,
                          &head_bytes, &PyTuple_Type, &tables)) {
        return NULL;
    }
    int fits = is_of(known, plain, PLAIN) && is_of(known, copy, COPY) && head_bytes >= 0 &&
               PyTuple_GET_SIZE(tables) == TABLES;
    for (Py_ssize_t number = 0; fits && number < TABLES; number++) {
        fits = PyDict_CheckExact(PyTuple_GET_ITEM(tables, number));
    }
    if (!fits) {
        PyErr_SetString(PyExc_TypeError, "Hearing: expected a hearing, a copy and dicts");
        return NULL;
    }
    Hearing *self = (Hearing *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    PyObject **held[] = {TABLES_OF(AS_ADDRESS)};
    for (int number = 0; number < TABLES; number++) {
        *held[number] = Py_NewRef(PyTuple_GET_ITEM(tables, number));
    }
    self->known = known;
    self->plain = Py_NewRef(plain);
    self->copy = Py_NewRef(copy);
    self->feed = Py_NewRef(feed);
    self->chain = Py_NewRef(chain);
    self->head = Py_NewRef(head);
    self->head_bytes = head_bytes;
    return (PyObject *)self;
}

static PyMethodDef hearing_methods[] = {
    {"receive", (PyCFunction)(void (*)(void))hearing_receive, METH_FASTCALL,
     "receive(frame, now): what is to be told of a frame that came."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The steady state of one connection; see `pitwire.session.hearing`."},
    {Py_tp_new, hearing_new},
    {Py_tp_dealloc, hearing_dealloc},
    {Py_tp_traverse, hearing_traverse},
    {Py_tp_methods, hearing_methods},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "pitwire.session._hearing.Hearing",
    .basicsize = sizeof(Hearing),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = slots,
};

/* ── the module ────────────────────────────────────────────────────────────────────────────── */

/* Where objects of this type have a slot of this name; -1 where they have none. */
static Py_ssize_t
place_of(PyTypeObject *type, const char *name)
{
    PyObject *spelt = PyUnicode_FromString(name);
    PyObject *found = spelt == NULL ? NULL : _PyType_Lookup(type, spelt); /* borrowed */
    Py_ssize_t place = -1;
    if (found != NULL && Py_IS_TYPE(found, &PyMemberDescr_Type) &&
        ((PyMemberDescrObject *)found)->d_member->type == T_OBJECT_EX &&
        PyType_IsSubtype(type, PyDescr_TYPE(found))) {
        place = ((PyMemberDescrObject *)found)->d_member->offset;
    }
    Py_XDECREF(spelt);
    if (place < 0 && !PyErr_Occurred()) {
        PyErr_Format(PyExc_TypeError, "know: expected a slot `%s` of %s", name, type->tp_name);
    }
    return place;
}

static PyObject *
know(PyObject *module, PyObject *arguments)
{
    Known *known = PyModule_GetState(module);
    PyObject *types, *forget;
    Py_ssize_t longest, most, place[PLACES];
    long long sampled, mask;
    if (!PyArg_ParseTuple(arguments, "O!OnnLL:know", &PyTuple_Type, &types, &forget, &longest,
                          &most, &sampled, &mask)) {
        return NULL;
    }
    int fits = PyTuple_GET_SIZE(types) == TYPES && mask >= 0 && mask < 1 << 20;
    for (int number = 0; fits && number < TYPES; number++) {
        fits = PyType_Check(PyTuple_GET_ITEM(types, number));
    }
    for (int number = TRADE; fits && number <= DELTA; number++) {
        fits = PyType_IsSubtype((PyTypeObject *)PyTuple_GET_ITEM(types, number),
                                (PyTypeObject *)PyTuple_GET_ITEM(types, EVENT));
    }
    if (!fits || known->type[PLAIN] != NULL) {
        PyErr_SetString(PyExc_TypeError, "know: expected nine types, once");
        return NULL;
    }
    for (int number = 0; number < PLACES; number++) {
        PyTypeObject *type = (PyTypeObject *)PyTuple_GET_ITEM(types, WHERE[number].type);
        place[number] = place_of(type, WHERE[number].name);
        if (place[number] < 0) {
            return NULL;
        }
    }
    memcpy(known->place, place, sizeof(place));
    known->forget = Py_NewRef(forget);
    known->longest = longest;
    known->most = most;
    known->sampled = sampled;
    known->mask = mask;
    for (int number = 0; number < TYPES; number++) {
        known->type[number] = (PyTypeObject *)Py_NewRef(PyTuple_GET_ITEM(types, number));
    }
    Py_RETURN_NONE;
}

static int
set_up(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    known->receive = PyUnicode_InternFromString("receive");
    known->waits = PyUnicode_InternFromString("waits");
    known->stirred = PyUnicode_InternFromString("stirred");
    known->dropped = PyUnicode_InternFromString("dropped");
    if (!known->receive || !known->waits || !known->stirred || !known->dropped) {
        return -1;
    }
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (type == NULL) {
        return -1;
    }
    int failed = PyModule_AddType(module, (PyTypeObject *)type) < 0 ||
                 PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE) < 0;
    Py_DECREF(type);
    return failed ? -1 : 0;
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        for (int number = 0; number < TYPES; number++) {
            Py_VISIT(known->type[number]);
        }
        Py_VISIT(known->forget);
    }
    return 0;
}

static int
clear(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        for (int number = 0; number < TYPES; number++) {
            Py_CLEAR(known->type[number]);
        }
        Py_CLEAR(known->forget);
        Py_CLEAR(known->receive);
        Py_CLEAR(known->waits);
        Py_CLEAR(known->stirred);
        Py_CLEAR(known->dropped);
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
     "know(types, forget, longest, most, sampled, mask), as `hearing.known_by` says it."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_hearing",
    .m_doc = "The compiled twin of the steady state of pitwire.session.hearing.",
    .m_size = sizeof(Known),
    .m_methods = methods,
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__hearing(void)
{
    return PyModuleDef_Init(&module);
}
