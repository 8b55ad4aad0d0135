/* The compiled twin of `Quotes` in quotes.py: the same orders, facts and counters, by the same draws.
 *
 * It works on the very objects that the plain one works on: a book may be changed by the one, then
 * by the other. What it does itself is an order that rests without meeting anybody, and its end, and
 * one that takes from quiet accounts; everything else is the hand's or the exchange's. Numbers are
 * Python's, of any size; those that fit a machine word are added as such. Attributes that are slots
 * are read and written in their place, which is looked up when quotes are made.
 *
 * Where Python may run (an allocation, a draw, the hand) nothing borrowed is held. What another may
 * have put where a level, an order, a list or a whole number belongs is looked at before it is taken
 * for one.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <math.h>
#include <structmember.h>

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

/* ── numbers ─────────────────────────────────────────────────────────────────────────────────── */

/* Whether a number is Python's own: with such a one no Python runs. An exception is set if not. */
static int
is_whole(PyObject *number)
{
    if (!PyLong_CheckExact(number)) {
        PyErr_Format(PyExc_TypeError, "quotes: found %s, expected a whole number",
                     Py_TYPE(number)->tp_name);
        return 0;
    }
    return 1;
}

static int
fits(PyObject *number, long long *value)
{
    int beyond = 0;
    if (!is_whole(number)) {
        return 0;
    }
    *value = PyLong_AsLongLongAndOverflow(number, &beyond);
    return !beyond && !(*value == -1 && PyErr_Occurred());
}

static PyObject *
plus(PyObject *one, PyObject *other)
{
    long long a, b, sum;
    if (fits(one, &a) && fits(other, &b) && !__builtin_add_overflow(a, b, &sum)) {
        return PyLong_FromLongLong(sum);
    }
    return PyErr_Occurred() ? NULL : PyNumber_Add(one, other);
}

static PyObject *
minus(PyObject *one, PyObject *other)
{
    long long a, b, rest;
    if (fits(one, &a) && fits(other, &b) && !__builtin_sub_overflow(a, b, &rest)) {
        return PyLong_FromLongLong(rest);
    }
    return PyErr_Occurred() ? NULL : PyNumber_Subtract(one, other);
}

static PyObject *
times(PyObject *one, PyObject *other)
{
    long long a, b, product;
    if (fits(one, &a) && fits(other, &b) && !__builtin_mul_overflow(a, b, &product)) {
        return PyLong_FromLongLong(product);
    }
    return PyErr_Occurred() ? NULL : PyNumber_Multiply(one, other);
}

/* -1, 0 or 1; -2 with an exception set. */
static int
compare(PyObject *one, PyObject *other)
{
    long long a, b;
    if (fits(one, &a) && fits(other, &b)) {
        return (a > b) - (a < b);
    }
    if (PyErr_Occurred()) {
        return -2;
    }
    int less = PyObject_RichCompareBool(one, other, Py_LT);
    int same = less < 0 ? -1 : PyObject_RichCompareBool(one, other, Py_EQ);
    return same < 0 ? -2 : less ? -1 : !same;
}

/* Python's round() of a float that is finite; raises for others as it does. */
static PyObject *
rounded(double value)
{
    return PyLong_FromDouble(rint(value));
}

/* ── slots ───────────────────────────────────────────────────────────────────────────────────── */

static PyObject *
get(PyObject *of, Py_ssize_t place)
{
    PyObject *found = *(PyObject **)((char *)of + place);
    if (found == NULL) {
        PyErr_Format(PyExc_AttributeError, "%s: found a slot without a value",
                     Py_TYPE(of)->tp_name);
        return NULL;
    }
    return Py_NewRef(found);
}

/* `get` of what must be a list. */
static PyObject *
list_in(PyObject *of, Py_ssize_t place)
{
    PyObject *found = get(of, place);
    if (found != NULL && !PyList_Check(found)) {
        PyErr_Format(PyExc_TypeError, "%s: found %s, expected a list", Py_TYPE(of)->tp_name,
                     Py_TYPE(found)->tp_name);
        Py_CLEAR(found);
    }
    return found;
}

static void
put(PyObject *of, Py_ssize_t place, PyObject *value)
{
    PyObject **slot = (PyObject **)((char *)of + place), *before = *slot;
    *slot = Py_NewRef(value);
    Py_XDECREF(before);
}

/* By a name that is interned: the interpreter remembers each other one for a while. */
static PyObject *
attribute(PyObject *of, const char *name)
{
    PyObject *word = PyUnicode_InternFromString(name);
    PyObject *found = word == NULL ? NULL : PyObject_GetAttr(of, word);
    Py_XDECREF(word);
    return found;
}

/* A method, by its name that is interned too; what it returns. */
#define CALL(of, name, ...)                                                                        \
    call((name), (PyObject *[]){(of), __VA_ARGS__},                                                \
         sizeof((PyObject *[]){(of), __VA_ARGS__}) / sizeof(PyObject *))

static PyObject *
call(const char *name, PyObject *const *words, size_t count)
{
    PyObject *word = PyUnicode_InternFromString(name);
    PyObject *done = word == NULL ? NULL : PyObject_VectorcallMethod(word, words, count, NULL);
    Py_XDECREF(word);
    return done;
}

static Py_ssize_t
place_of(PyObject *type, const char *name)
{
    PyObject *found = attribute(type, name);
    if (found == NULL) {
        return -1;
    }
    Py_ssize_t place = -1;
    if (Py_IS_TYPE(found, &PyMemberDescr_Type)) {
        PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
        place = member->type == T_OBJECT_EX ? member->offset : -1;
    }
    Py_DECREF(found);
    if (place < 0) {
        PyErr_Format(PyExc_TypeError, "%R.%s: expected a slot", type, name);
    }
    return place;
}

/* ── quotes ──────────────────────────────────────────────────────────────────────────────────── */

/* What is taken from the hand, by its names there. */
#define HELD(X)                                                                                    \
    X(symbol, "_symbol") X(side, "_side") X(other_side, "_other_side") X(pit, "_pit")              \
    X(execution, "_execution") X(own, "_own") X(other, "_other") X(open, "_open")                  \
    X(pattern, "_quote") X(sweep, "_sweep") X(market, "_market") X(known, "_known")                \
    X(owner, "_owner") X(accounts, "_accounts") X(fee_assets, "_fee_assets")

/* The types and the word of its module. */
#define WORDS(X)                                                                                   \
    X(canceled, "CANCELED") X(filled, "FILLED") X(partly, "PARTLY") X(expired, "EXPIRED")          \
    X(LevelChanged, "LevelChanged") X(Traded, "Traded") X(PublicTrade, "PublicTrade")              \
    X(Level, "Level") X(SimOrder, "SimOrder") X(zero, "ZERO") X(no_more, "NO_MORE")                \
    X(no_more_at_once, "NO_MORE_AT_ONCE")

/* Where things are in theirs. */
#define PLACES(X)                                                                                  \
    X(SimOrder, order_id) X(SimOrder, account) X(SimOrder, lots) X(SimOrder, price)                \
    X(SimOrder, filled_lots) X(SimOrder, prevented_lots) X(SimOrder, iceberg_lots)                 \
    X(SimOrder, list_id) X(SimOrder, status) X(SimOrder, expiry_reason) X(SimOrder, created)       \
    X(SimOrder, updated) X(SimOrder, working_since) X(SimOrder, on_book) X(Level, orders)          \
    X(Level, price) X(Level, shown) X(Ladder, keys) X(Ladder, levels) X(Ladder, _spare)            \
    X(Pit, listing) X(Pit, order_id) X(Pit, execution) X(Pit, trade_id) X(Pit, update_id)          \
    X(Pit, last) X(Pit, trades) X(Pit, touched) X(Pit, stirred) X(Pit, entered)                    \
    X(Execution, facts) X(Execution, hushed)

typedef struct {
    PyObject_HEAD
    PyObject *hand;
    PyObject *seen;   /* the listing as it was when the hand last found it to admit what it does */
    PyObject *draw;   /* gives the next number of [0, 1) */
    PyObject *keys;   /* minus the ladder's: the best is the first */
    PyObject *orders; /* by price */
    PyObject *least;
    PyObject *lowest;
    PyObject *highest;
#define MEMBER(name, word) PyObject *name;
    HELD(MEMBER)
    WORDS(MEMBER)
#undef MEMBER
#define MEMBER(type, name) Py_ssize_t type##_##name;
    PLACES(MEMBER)
#undef MEMBER
    double kinderman;
    int is_buy;
    PyObject *past; /* of the pit, as are the next two */
    PyObject *average;
    PyObject *waiting; /* stops */
    PyObject *append;  /* the word */
    Py_buffer rows; /* the past's: a ring of rows, the place of a change is its id */
} Quotes;

#define GET(type, of, name) get((of), self->type##_##name)
#define LIST(type, of, name) list_in((of), self->type##_##name)
#define PUT(type, of, name, value) put((of), self->type##_##name, (value))
#define COUNT(name) count(self->pit, self->Pit_##name)

enum { SPARE = 16 };

/* A counter of the pit, one further: the new number. */
static PyObject *
count(PyObject *pit, Py_ssize_t place)
{
    PyObject *one = PyLong_FromLong(1), *before = get(pit, place);
    PyObject *after = one == NULL || before == NULL ? NULL : plus(before, one);
    Py_XDECREF(one);
    Py_XDECREF(before);
    if (after != NULL) {
        put(pit, place, after);
    }
    return after;
}

/* `Past.add`; what does not fit a row is left to it. */
static int
remember(Quotes *self, PyObject *number, PyObject *now, int is_bid, PyObject *price,
         PyObject *before)
{
    long long id, row[3];
    if (fits(number, &id) && fits(now, &row[0]) && fits(price, &row[1]) && fits(before, &row[2]) &&
        !__builtin_mul_overflow(row[1], 2, &row[1])) {
        row[1] += is_bid;
        Py_ssize_t kept = self->rows.len / (Py_ssize_t)sizeof(row), place = (Py_ssize_t)(id % kept);
        place += place < 0 ? kept : 0;
        memcpy((char *)self->rows.buf + place * sizeof(row), row, sizeof(row));
        return 0;
    }
    if (PyErr_Occurred()) {
        return -1;
    }
    PyObject *bid = is_bid ? Py_True : Py_False;
    PyObject *done =
        CALL(self->past, "add", number, now, bid, price, before);
    Py_XDECREF(done);
    return done == NULL ? -1 : 0;
}

/* The visible size at a price has changed, on the hand's own side or on the other. */
static int
tell_level(Quotes *self, int is_own, PyObject *price, PyObject *before, PyObject *shown,
           PyObject *now)
{
    int is_bid = is_own ? self->is_buy : !self->is_buy;
    PyObject *side = is_own ? self->side : self->other_side;
    PyObject *number = COUNT(update_id), *hushed = GET(Execution, self->execution, hushed);
    int failed = number == NULL || hushed == NULL || remember(self, number, now, is_bid, price, before) < 0;
    if (!failed && hushed != Py_True) {
        PyObject *facts = GET(Execution, self->execution, facts), *fact = NULL;
        if (facts != NULL) {
            PyObject *words[] = {now, self->symbol, side, price, shown, number};
            fact = PyObject_Vectorcall(self->LevelChanged, words, 6, NULL);
        }
        failed = fact == NULL || PyList_Append(facts, fact) < 0;
        Py_XDECREF(facts);
        Py_XDECREF(fact);
    }
    Py_XDECREF(number);
    Py_XDECREF(hushed);
    return failed ? -1 : 0;
}

/* A key of the ladder for a price, or a price for its key: both ways the same. */
static PyObject *
turned(int is_same, PyObject *number)
{
    return is_same ? Py_NewRef(number) : is_whole(number) ? PyNumber_Negative(number) : NULL;
}

/* Where a key belongs in a list that rises: before the first that is not below it. */
static Py_ssize_t
find(PyObject *keys, PyObject *key)
{
    Py_ssize_t low = 0, high = PyList_GET_SIZE(keys);
    long long wanted, each;
    int is_short = fits(key, &wanted);
    if (!is_short && PyErr_Occurred()) {
        return -1;
    }
    while (low < high) {
        Py_ssize_t middle = low + (high - low) / 2;
        PyObject *held = PyList_GET_ITEM(keys, middle);
        int order = is_short && fits(held, &each) ? (each > wanted) - (each < wanted)
                                                  : compare(held, key);
        if (order == -2) {
            return -1;
        }
        if (order < 0) {
            low = middle + 1;
        }
        else {
            high = middle;
        }
    }
    return low;
}

static int
enlist(PyObject *keys, PyObject *key)
{
    Py_ssize_t at = find(keys, key);
    return at < 0 ? -1 : PyList_Insert(keys, at, key);
}

static int
strike(PyObject *keys, Py_ssize_t at)
{
    return at < 0 ? -1 : PyList_SetSlice(keys, at, at + 1, NULL);
}

/* ── the ladder ──────────────────────────────────────────────────────────────────────────────── */

/* A new reference to what stands for a level, which NULL may be; NULL with an exception set where it
 * is something else. */
static PyObject *
as_level(Quotes *self, PyObject *found)
{
    if (found != NULL && !Py_IS_TYPE(found, (PyTypeObject *)self->Level)) {
        PyErr_SetString(PyExc_TypeError, "quotes: found something else than a level");
        return NULL;
    }
    return Py_XNewRef(found);
}

/* The level at a price, made where there is none. */
static PyObject *
level_at(Quotes *self, PyObject *price)
{
    PyObject *levels = GET(Ladder, self->own, levels), *keys = LIST(Ladder, self->own, keys);
    PyObject *spare = LIST(Ladder, self->own, _spare), *key = NULL, *level = NULL, *zero = NULL;
    if (levels == NULL || keys == NULL || spare == NULL) {
        goto done;
    }
    level = as_level(self, PyDict_GetItemWithError(levels, price));
    if (level != NULL || PyErr_Occurred()) {
        goto done;
    }
    Py_ssize_t last = PyList_GET_SIZE(spare) - 1;
    zero = PyLong_FromLong(0);
    key = turned(self->is_buy, price);
    if (zero == NULL || key == NULL) {
        goto done;
    }
    if (last >= 0) {
        level = as_level(self, PyList_GET_ITEM(spare, last));
        if (level == NULL || strike(spare, last) < 0) {
            goto failed;
        }
        PUT(Level, level, price, price);
        PUT(Level, level, shown, zero);
    }
    else if ((level = PyObject_CallOneArg(self->Level, price)) == NULL) {
        goto done;
    }
    if (PyDict_SetItem(levels, price, level) == 0 && enlist(keys, key) == 0) {
        goto done;
    }
failed:
    Py_CLEAR(level);
done:
    Py_XDECREF(levels);
    Py_XDECREF(keys);
    Py_XDECREF(spare);
    Py_XDECREF(key);
    Py_XDECREF(zero);
    return level;
}

/* Forget a level that holds no more orders, on the hand's own side or on the other. */
static int
drop(Quotes *self, int is_own, PyObject *price, PyObject *level)
{
    PyObject *ladder = is_own ? self->own : self->other;
    PyObject *levels = GET(Ladder, ladder, levels), *keys = LIST(Ladder, ladder, keys);
    PyObject *spare = LIST(Ladder, ladder, _spare);
    PyObject *key = turned(is_own ? self->is_buy : !self->is_buy, price);
    int failed = levels == NULL || keys == NULL || spare == NULL || key == NULL ||
                 PyDict_DelItem(levels, price) < 0 ||
                 (PyList_GET_SIZE(spare) < SPARE && PyList_Append(spare, level) < 0) ||
                 strike(keys, find(keys, key)) < 0;
    Py_XDECREF(levels);
    Py_XDECREF(keys);
    Py_XDECREF(spare);
    Py_XDECREF(key);
    return failed ? -1 : 0;
}

/* Whether an order at this price would meet somebody; -1 with an exception set. */
static int
meets(Quotes *self, PyObject *price)
{
    PyObject *keys = LIST(Ladder, self->other, keys), *bound = turned(!self->is_buy, price);
    int so = keys == NULL || bound == NULL ? -1 : 0;
    if (so == 0 && PyList_GET_SIZE(keys) > 0) {
        int order = compare(PyList_GET_ITEM(keys, PyList_GET_SIZE(keys) - 1), bound);
        so = order == -2 ? -1 : order >= 0;
    }
    Py_XDECREF(keys);
    Py_XDECREF(bound);
    return so;
}

/* ── an order ────────────────────────────────────────────────────────────────────────────────── */

/* Whether this is an order; an exception is set where it is none. */
static int
is_order(Quotes *self, PyObject *found)
{
    if (!Py_IS_TYPE(found, (PyTypeObject *)self->SimOrder)) {
        PyErr_SetString(PyExc_TypeError, "quotes: found something else than an order");
        return 0;
    }
    return 1;
}

/* `Hand.quote` where it meets nobody: accepted, and on the book. */
static PyObject *
rest(Quotes *self, PyObject *price, PyObject *lots, PyObject *now)
{
    PyObject *order = PyObject_CallNoArgs(self->pattern);
    PyObject *number = order == NULL || !is_order(self, order) ? NULL : COUNT(order_id);
    PyObject *execution = number == NULL ? NULL : COUNT(execution);
    PyObject *level = NULL, *orders = NULL, *before = NULL, *shown = NULL;
    int failed = 1;
    if (execution == NULL || PyDict_SetItem(self->open, number, order) < 0) {
        goto done;
    }
    PUT(SimOrder, order, order_id, number);
    PUT(SimOrder, order, lots, lots);
    PUT(SimOrder, order, price, price);
    PUT(SimOrder, order, created, now);
    PUT(SimOrder, order, updated, now);
    PUT(SimOrder, order, working_since, now);
    level = level_at(self, price);
    orders = level == NULL ? NULL : GET(Level, level, orders);
    before = level == NULL ? NULL : GET(Level, level, shown);
    shown = before == NULL ? NULL : plus(before, lots);
    if (orders == NULL || shown == NULL || PyDict_SetItem(orders, number, order) < 0) {
        goto done;
    }
    PUT(Level, level, shown, shown);
    PUT(SimOrder, order, on_book, Py_True);
    failed = tell_level(self, 1, price, before, shown, now);
done:
    Py_XDECREF(number);
    Py_XDECREF(execution);
    Py_XDECREF(level);
    Py_XDECREF(orders);
    Py_XDECREF(before);
    Py_XDECREF(shown);
    if (failed) {
        Py_CLEAR(order);
    }
    return order;
}

static PyObject *
quote(Quotes *self, PyObject *price, PyObject *lots, PyObject *now)
{
    PyObject *listing = GET(Pit, self->pit, listing), *order = NULL;
    int in_full = listing == NULL ? -1 : listing != self->seen;
    Py_XDECREF(listing);
    if (in_full == 0) {
        in_full = meets(self, price);
    }
    if (in_full <= 0) {
        return in_full < 0 ? NULL : rest(self, price, lots, now);
    }
    order = CALL(self->hand, "quote", price, lots, now);
    PyObject *seen = order == NULL ? NULL : attribute(self->hand, "_seen");
    if (seen == NULL) {
        Py_CLEAR(order);
    }
    else {
        Py_XSETREF(self->seen, seen);
    }
    return order;
}

/* `Hand.withdraw`. */
static int
withdraw(Quotes *self, PyObject *order, PyObject *price, PyObject *now)
{
    PyObject *number = GET(SimOrder, order, order_id), *levels = GET(Ladder, self->own, levels);
    PyObject *lots = GET(SimOrder, order, lots), *filled = GET(SimOrder, order, filled_lots);
    PyObject *level =
        levels == NULL ? NULL : as_level(self, PyDict_GetItemWithError(levels, price));
    PyObject *orders = level == NULL ? NULL : GET(Level, level, orders);
    PyObject *before = level == NULL ? NULL : GET(Level, level, shown);
    PyObject *left = lots == NULL || filled == NULL ? NULL : minus(lots, filled);
    PyObject *shown = before == NULL || left == NULL ? NULL : minus(before, left);
    PyObject *execution = NULL;
    int failed = -1;
    if (number == NULL || orders == NULL || shown == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetObject(PyExc_KeyError, price);
        }
        goto done;
    }
    PUT(Level, level, shown, shown);
    if (PyDict_DelItem(orders, number) < 0 || PyDict_DelItem(self->open, number) < 0 ||
        (PyDict_GET_SIZE(orders) == 0 && drop(self, 1, price, level) < 0)) {
        goto done;
    }
    PUT(SimOrder, order, on_book, Py_False);
    PUT(SimOrder, order, status, self->canceled);
    PUT(SimOrder, order, updated, now);
    execution = COUNT(execution);
    failed = execution == NULL ? -1 : tell_level(self, 1, price, before, shown, now);
done:
    Py_XDECREF(number);
    Py_XDECREF(levels);
    Py_XDECREF(lots);
    Py_XDECREF(filled);
    Py_XDECREF(level);
    Py_XDECREF(orders);
    Py_XDECREF(before);
    Py_XDECREF(left);
    Py_XDECREF(shown);
    Py_XDECREF(execution);
    return failed;
}

/* ── an order that takes ─────────────────────────────────────────────────────────────────────── */

/* What one order has taken at its levels, until it is counted: worth and size. */
typedef struct {
    PyObject *units;
    PyObject *lots;
} Taken;

/* One number of a list, so much further. */
static int
raise_by(PyObject *numbers, Py_ssize_t at, PyObject *by)
{
    if (!PyList_Check(numbers) || PyList_GET_SIZE(numbers) <= at) {
        PyErr_SetString(PyExc_TypeError, "net: expected two numbers");
        return -1;
    }
    PyObject *before = Py_NewRef(PyList_GET_ITEM(numbers, at)), *after = plus(before, by);
    Py_DECREF(before);
    return after == NULL ? -1 : PyList_SetItem(numbers, at, after);
}

/* An account gains so many lots at a price, or loses them. */
static int
gain(PyObject *net, int gains, PyObject *lots, PyObject *worth)
{
    PyObject *minus_lots = PyNumber_Negative(lots), *minus_worth = PyNumber_Negative(worth);
    int failed = minus_lots == NULL || minus_worth == NULL ||
                 raise_by(net, 0, gains ? lots : minus_lots) < 0 ||
                 raise_by(net, 1, gains ? minus_worth : worth) < 0;
    Py_XDECREF(minus_lots);
    Py_XDECREF(minus_worth);
    return failed ? -1 : 0;
}

/* Put a number so much higher. */
static int
add_to(PyObject *of, Py_ssize_t place, PyObject *by)
{
    PyObject *before = get(of, place), *after = before == NULL ? NULL : plus(before, by);
    if (after != NULL) {
        put(of, place, after);
    }
    Py_XDECREF(before);
    Py_XDECREF(after);
    return after == NULL ? -1 : 0;
}

/* `lots - filled_lots`, and `- prevented_lots`. */
static PyObject *
left_of(Quotes *self, PyObject *order, int all)
{
    PyObject *lots = GET(SimOrder, order, lots), *gone = GET(SimOrder, order, filled_lots);
    PyObject *left = lots == NULL || gone == NULL ? NULL : minus(lots, gone);
    Py_XDECREF(lots);
    Py_XDECREF(gone);
    if (left == NULL || !all) {
        return left;
    }
    gone = GET(SimOrder, order, prevented_lots);
    Py_XSETREF(left, gone == NULL ? NULL : minus(left, gone));
    Py_XDECREF(gone);
    return left;
}

/* 1 where a number is above zero, 0 where it is not; -1 with an exception set. */
static int
is_some(PyObject *number)
{
    if (number == NULL || !is_whole(number)) {
        return -1;
    }
    int beyond = 0;
    long long value = PyLong_AsLongLongAndOverflow(number, &beyond);
    return beyond ? beyond > 0 : value > 0;
}

/* What is known of a quiet maker, net and open orders; None of one that is left to the exchange. */
static PyObject *
makes_of(Quotes *self, PyObject *maker)
{
    PyObject *iceberg = GET(SimOrder, maker, iceberg_lots), *list = GET(SimOrder, maker, list_id);
    PyObject *account = GET(SimOrder, maker, account), *makes = NULL;
    int shows_less = iceberg == NULL ? -1 : PyObject_IsTrue(iceberg);
    long long number = 0;
    int fitted = list != NULL && fits(list, &number);
    if (account != NULL && shows_less >= 0 && (fitted || (list != NULL && !PyErr_Occurred()))) {
        makes = Py_XNewRef(PyDict_GetItemWithError(self->known, account));
        if (makes == NULL && !PyErr_Occurred()) {
            makes = CALL(self->hand, "_learn", account);
        }
    }
    Py_XDECREF(iceberg);
    Py_XDECREF(list);
    Py_XDECREF(account);
    if (makes != NULL && (shows_less || !fitted || number >= 0 || !PyTuple_Check(makes) ||
                          PyTuple_GET_SIZE(makes) != 2 ||
                          !PyDict_Check(PyTuple_GET_ITEM(makes, 1)))) {
        Py_SETREF(makes, Py_NewRef(Py_None));
    }
    return makes;
}

/* A maker was filled whole: `Hand._leave`, and off the book. */
static int
fill_whole(Quotes *self, PyObject *maker, PyObject *orders, PyObject *mine)
{
    PyObject *number = GET(SimOrder, maker, order_id), *entered = GET(Pit, self->pit, entered);
    PUT(SimOrder, maker, status, self->filled);
    PUT(SimOrder, maker, on_book, Py_False);
    int failed = number == NULL || entered == NULL || PyDict_DelItem(orders, number) < 0;
    int was_entered = failed ? -1 : PySequence_Contains(entered, number);
    if (was_entered > 0) {
        PyObject *done = CALL(self->hand, "_leave", maker, mine);
        Py_XDECREF(done);
        failed = done == NULL;
    }
    else {
        failed = was_entered < 0 || PyDict_DelItem(mine, number) < 0;
    }
    Py_XDECREF(number);
    Py_XDECREF(entered);
    return failed ? -1 : 0;
}

/* `Hand._tell_trade`. */
static int
tell_trade(Quotes *self, PyObject *order, PyObject *maker, PyObject *price, PyObject *lots,
           PyObject *now)
{
    PyObject *number = COUNT(trade_id), *first = COUNT(execution), *second = COUNT(execution);
    PyObject *taker = GET(SimOrder, order, order_id), *facts = GET(Execution, self->execution, facts);
    PyObject *hushed = GET(Execution, self->execution, hushed), *public = NULL, *fact = NULL;
    PyObject *trades = GET(Pit, self->pit, trades), *done = NULL;
    if (number != NULL && first != NULL && second != NULL && taker != NULL && facts != NULL &&
        hushed != NULL && trades != NULL) {
        PyObject *words[] = {now, self->symbol, number, price, lots, self->side, taker};
        public = PyObject_Vectorcall(self->PublicTrade, words, 7, NULL);
    }
    if (public != NULL) {
        PyObject *words[] = {trades, public};
        done = PyObject_VectorcallMethod(self->append, words, 2, NULL);
    }
    if (done != NULL && hushed == Py_True) {
        fact = Py_NewRef(public);
    }
    else if (done != NULL) {
        PyObject *words[] = {now, self->symbol, number, price, lots, self->side, order, maker, first,
                             second, self->zero, PyTuple_GET_ITEM(self->fee_assets, 0), self->zero,
                             PyTuple_GET_ITEM(self->fee_assets, 1)};
        fact = PyObject_Vectorcall(self->Traded, words, 14, NULL);
    }
    int failed = fact == NULL || PyList_Append(facts, fact) < 0;
    Py_XDECREF(number);
    Py_XDECREF(first);
    Py_XDECREF(second);
    Py_XDECREF(taker);
    Py_XDECREF(facts);
    Py_XDECREF(hushed);
    Py_XDECREF(trades);
    Py_XDECREF(public);
    Py_XDECREF(done);
    Py_XDECREF(fact);
    return failed ? -1 : 0;
}

/* Trade with one quiet maker: the lots. */
static PyObject *
trade(Quotes *self, PyObject *order, PyObject *maker, PyObject *makes, PyObject *orders,
      PyObject *price, PyObject *left, PyObject *now)
{
    PyObject *stands = left_of(self, maker, 1), *lots = NULL, *worth = NULL;
    int order_of = stands == NULL ? -2 : compare(stands, left), failed = 1;
    if (order_of == -2) {
        goto done;
    }
    lots = Py_NewRef(order_of < 0 ? stands : left);
    worth = times(lots, price);
    if (worth == NULL || add_to(maker, self->SimOrder_filled_lots, lots) < 0 ||
        add_to(order, self->SimOrder_filled_lots, lots) < 0) {
        goto done;
    }
    PUT(SimOrder, maker, updated, now);
    PUT(SimOrder, order, updated, now);
    PUT(SimOrder, maker, status, self->partly);
    if (order_of <= 0 && fill_whole(self, maker, orders, PyTuple_GET_ITEM(makes, 1)) < 0) {
        goto done;
    }
    failed = gain(PyTuple_GET_ITEM(makes, 0), !self->is_buy, lots, worth) < 0 ||
             tell_trade(self, order, maker, price, lots, now) < 0;
done:
    Py_XDECREF(stands);
    Py_XDECREF(worth);
    if (failed) {
        Py_CLEAR(lots);
    }
    return lots;
}

/* What was met at a level: counted there, and by the owner and the pit. */
static int
count_met(Quotes *self, PyObject *level, PyObject *price, PyObject *met, PyObject *now,
          Taken *taken)
{
    PyObject *before = GET(Level, level, shown), *shown = NULL, *worth = times(met, price);
    PyObject *net = CALL(self->owner, "net_of", self->symbol), *done = NULL;
    int failed = before == NULL || worth == NULL || net == NULL;
    if (!failed) {
        shown = minus(before, met);
        failed = shown == NULL || gain(net, self->is_buy, met, worth) < 0;
    }
    if (!failed) {
        PUT(Level, level, shown, shown);
    }
    if (!failed && PyDict_GET_SIZE(self->waiting)) { /* stops see each price */
        done = CALL(self->execution, "touch", self->pit, price, met, now);
        failed = done == NULL;
    }
    else if (!failed) {
        PUT(Pit, self->pit, last, price);
        Py_XSETREF(taken->units, taken->units == NULL ? Py_NewRef(worth) : plus(taken->units, worth));
        Py_XSETREF(taken->lots, taken->lots == NULL ? Py_NewRef(met) : plus(taken->lots, met));
        failed = taken->units == NULL || taken->lots == NULL;
    }
    Py_XDECREF(before);
    Py_XDECREF(shown);
    Py_XDECREF(worth);
    Py_XDECREF(net);
    Py_XDECREF(done);
    return failed ? -1 : 0;
}

/* `Hand._meet`: trade with those at one price. */
static int
meet(Quotes *self, PyObject *order, PyObject *level, PyObject *price, PyObject *now, Taken *taken)
{
    PyObject *orders = GET(Level, level, orders), *met = NULL;
    int failed = orders == NULL || !PyDict_Check(orders);
    if (orders != NULL && failed) {
        PyErr_SetString(PyExc_TypeError, "level: found no orders");
    }
    while (!failed && PyDict_GET_SIZE(orders)) {
        PyObject *left = left_of(self, order, 0), *maker = NULL, *makes = NULL, *lots = NULL;
        int some = is_some(left);
        Py_ssize_t at = 0;
        if (some <= 0) {
            Py_XDECREF(left);
            failed = some < 0;
            break;
        }
        PyDict_Next(orders, &at, NULL, &maker);
        Py_INCREF(maker);
        makes = is_order(self, maker) ? makes_of(self, maker) : NULL;
        if (makes == Py_None) {
            lots = CALL(self->execution, "meet", self->pit, order, maker,
                                       level, now);
            failed = lots == NULL;
        }
        else if (makes != NULL) {
            lots = trade(self, order, maker, makes, orders, price, left, now);
            failed = lots == NULL;
            if (!failed) {
                Py_XSETREF(met, met == NULL ? Py_NewRef(lots) : plus(met, lots));
                failed = met == NULL;
            }
        }
        else {
            failed = 1;
        }
        Py_DECREF(left);
        Py_DECREF(maker);
        Py_XDECREF(makes);
        Py_XDECREF(lots);
    }
    if (!failed && met != NULL) {
        failed = count_met(self, level, price, met, now, taken) < 0;
    }
    Py_XDECREF(orders);
    Py_XDECREF(met);
    return failed ? -1 : 0;
}

/* The best level of the other side, if its key is not below `bound` (NULL: any): 1, and its price;
 * 0 if there is none. */
static int
best_within(Quotes *self, PyObject *bound, PyObject **price, PyObject **level)
{
    PyObject *keys = LIST(Ladder, self->other, keys), *levels = GET(Ladder, self->other, levels);
    int found = keys == NULL || levels == NULL ? -1 : PyList_GET_SIZE(keys) > 0;
    if (found > 0) {
        PyObject *key = Py_NewRef(PyList_GET_ITEM(keys, PyList_GET_SIZE(keys) - 1));
        int order = bound == NULL ? 1 : compare(key, bound);
        found = order == -2 ? -1 : order >= 0;
        *price = found > 0 ? turned(!self->is_buy, key) : NULL;
        Py_DECREF(key);
        if (found > 0) {
            *level = *price == NULL ? NULL
                                    : as_level(self, PyDict_GetItemWithError(levels, *price));
            if (*level == NULL) {
                if (!PyErr_Occurred()) {
                    PyErr_SetObject(PyExc_KeyError, *price);
                }
                Py_CLEAR(*price);
                found = -1;
            }
        }
    }
    Py_XDECREF(keys);
    Py_XDECREF(levels);
    return found;
}

/* `Hand._work`: match an order with every level whose key is not below `bound`. */
static int
work(Quotes *self, PyObject *order, PyObject *number, PyObject *bound, PyObject *now, Taken *taken)
{
    PyObject *left = left_of(self, order, 0), *price = NULL, *level = NULL;
    int some = is_some(left), found = 0;
    while (some > 0 && (found = best_within(self, bound, &price, &level)) > 0) {
        PyObject *before = GET(Level, level, shown), *after = NULL, *orders = NULL;
        int failed = before == NULL || meet(self, order, level, price, now, taken) < 0;
        if (!failed) {
            orders = GET(Level, level, orders);
            failed = orders == NULL || (PyObject_Length(orders) == 0 &&
                                        drop(self, 0, price, level) < 0);
        }
        if (!failed) {
            after = GET(Level, level, shown);
            int order_of = after == NULL ? -2 : compare(after, before);
            failed = order_of == -2 ||
                     (order_of && tell_level(self, 0, price, before, after, now) < 0);
        }
        Py_XDECREF(before);
        Py_XDECREF(after);
        Py_XDECREF(orders);
        Py_CLEAR(price);
        Py_CLEAR(level);
        Py_XSETREF(left, failed ? NULL : left_of(self, order, 0));
        some = is_some(left);
    }
    Py_XDECREF(left);
    if (some < 0 || found < 0) {
        return -1;
    }
    if (some == 0) {
        PUT(SimOrder, order, status, self->filled);
        int held = PyDict_Contains(self->open, number);
        return held > 0 ? PyDict_DelItem(self->open, number) : held;
    }
    PyObject *filled = GET(SimOrder, order, filled_lots);
    int so = filled == NULL ? -1 : PyObject_IsTrue(filled);
    Py_XDECREF(filled);
    if (so > 0) {
        PUT(SimOrder, order, status, self->partly);
    }
    return so < 0 ? -1 : 0;
}

/* What is left of it expires: `Hand._end`. */
static int
expire(Quotes *self, PyObject *order, PyObject *number, PyObject *reason, PyObject *now)
{
    PUT(SimOrder, order, expiry_reason, reason);
    PUT(SimOrder, order, status, self->expired);
    PUT(SimOrder, order, updated, now);
    PyObject *execution = PyDict_DelItem(self->open, number) < 0 ? NULL : COUNT(execution);
    Py_XDECREF(execution);
    return execution == NULL ? -1 : 0;
}

/* `Hand._settle`, after what was taken is counted. */
static int
settle(Quotes *self, PyObject *now, Taken *taken)
{
    PyObject *done = NULL, *changed, *touched, *stirred;
    if (taken->lots != NULL) {
        done = CALL(self->average, "count", taken->units, taken->lots, now);
        if (done == NULL) {
            return -1;
        }
        Py_CLEAR(done);
    }
    changed = attribute(self->accounts, "changed");
    touched = GET(Pit, self->pit, touched);
    stirred = GET(Pit, self->pit, stirred);
    int so = changed == NULL || touched == NULL || stirred == NULL ? -1 : PyObject_IsTrue(changed);
    so = so ? so : PyObject_IsTrue(touched);
    so = so ? so : PyObject_IsTrue(stirred);
    if (so > 0) {
        done = CALL(self->execution, "settle", self->pit, now);
        so = done == NULL ? -1 : 0;
    }
    Py_XDECREF(changed);
    Py_XDECREF(touched);
    Py_XDECREF(stirred);
    Py_XDECREF(done);
    return so;
}

/* By the hand, which may refuse. */
static int
take_in_full(Quotes *self, PyObject *lots, PyObject *now, PyObject *limit)
{
    PyObject *words = Py_BuildValue("OO", lots, now), *named = Py_BuildValue("{sO}", "limit", limit);
    PyObject *way = attribute(self->hand, "take"), *done = NULL, *seen = NULL;
    if (words != NULL && named != NULL && way != NULL) {
        done = PyObject_Call(way, words, named);
    }
    if (done != NULL && (seen = attribute(self->hand, "_seen")) != NULL) {
        Py_XSETREF(self->seen, seen);
    }
    Py_XDECREF(words);
    Py_XDECREF(named);
    Py_XDECREF(way);
    Py_XDECREF(done);
    return done == NULL || seen == NULL ? -1 : 0;
}

/* `Hand.take`; without a limit (None) at any price. */
static int
take(Quotes *self, PyObject *lots, PyObject *now, PyObject *limit)
{
    PyObject *listing = GET(Pit, self->pit, listing), *order = NULL, *number = NULL, *bound = NULL;
    PyObject *execution = NULL;
    Taken taken = {NULL, NULL};
    int failed = 1, is_market = limit == Py_None, in_full = listing != self->seen;
    Py_XDECREF(listing);
    if (listing == NULL || in_full) {
        return listing == NULL ? -1 : take_in_full(self, lots, now, limit);
    }
    order = PyObject_CallNoArgs(is_market ? self->market : self->sweep);
    number = order == NULL || !is_order(self, order) ? NULL : COUNT(order_id);
    execution = number == NULL ? NULL : COUNT(execution);
    if (execution == NULL || PyDict_SetItem(self->open, number, order) < 0) {
        goto done;
    }
    PUT(SimOrder, order, order_id, number);
    PUT(SimOrder, order, lots, lots);
    PUT(SimOrder, order, created, now);
    PUT(SimOrder, order, updated, now);
    PUT(SimOrder, order, working_since, now);
    if (!is_market) {
        PUT(SimOrder, order, price, limit);
        bound = turned(!self->is_buy, limit);
    }
    if ((!is_market && bound == NULL) || work(self, order, number, bound, now, &taken) < 0) {
        goto done;
    }
    PyObject *status = GET(SimOrder, order, status);
    failed = status == NULL ||
             (status != self->filled &&
              expire(self, order, number, is_market ? self->no_more : self->no_more_at_once, now) < 0);
    Py_XDECREF(status);
    failed = failed || settle(self, now, &taken) < 0;
done:
    Py_XDECREF(order);
    Py_XDECREF(number);
    Py_XDECREF(execution);
    Py_XDECREF(bound);
    Py_XDECREF(taken.units);
    Py_XDECREF(taken.lots);
    return failed ? -1 : 0;
}

/* What the market sees of the other side from its best to a price. */
static PyObject *
lots_within(Quotes *self, PyObject *limit)
{
    PyObject *keys = LIST(Ladder, self->other, keys), *levels = GET(Ladder, self->other, levels);
    PyObject *bound = turned(!self->is_buy, limit), *lots = PyLong_FromLong(0);
    if (keys == NULL || levels == NULL || bound == NULL) {
        Py_CLEAR(lots);
    }
    for (Py_ssize_t at = keys == NULL ? 0 : PyList_GET_SIZE(keys); lots != NULL && at-- > 0;) {
        PyObject *key = Py_NewRef(PyList_GET_ITEM(keys, at)), *price = NULL, *level = NULL;
        PyObject *shown = NULL;
        int order = compare(key, bound);
        if (order >= 0) {
            price = turned(!self->is_buy, key);
            level = price == NULL ? NULL : as_level(self, PyDict_GetItemWithError(levels, price));
            if (level == NULL && price != NULL && !PyErr_Occurred()) {
                PyErr_SetObject(PyExc_KeyError, price);
            }
            shown = level == NULL ? NULL : GET(Level, level, shown);
            Py_SETREF(lots, shown == NULL ? NULL : plus(lots, shown));
        }
        else if (order == -2) {
            Py_CLEAR(lots);
        }
        Py_DECREF(key);
        Py_XDECREF(price);
        Py_XDECREF(level);
        Py_XDECREF(shown);
        if (order < 0) {
            break;
        }
    }
    Py_XDECREF(keys);
    Py_XDECREF(levels);
    Py_XDECREF(bound);
    return lots;
}

/* ── what is remembered ──────────────────────────────────────────────────────────────────────── */

/* 1 for an order that rests; -1 with an exception set where it is none. */
static int
rests(Quotes *self, PyObject *order)
{
    if (!is_order(self, order)) {
        return -1;
    }
    PyObject *so = GET(SimOrder, order, on_book);
    int found = so == NULL ? -1 : PyObject_IsTrue(so);
    Py_XDECREF(so);
    return found;
}

static int
add(Quotes *self, PyObject *price, PyObject *lots, PyObject *now)
{
    PyObject *order = quote(self, price, lots, now);
    int failed = order == NULL ? -1 : rests(self, order);
    if (failed > 0) {
        PyObject *key = turned(!self->is_buy, price);
        failed = key == NULL || enlist(self->keys, key) < 0 ||
                 PyDict_SetItem(self->orders, price, order) < 0;
        Py_XDECREF(key);
    }
    Py_XDECREF(order);
    return failed ? -1 : 0;
}

/* Whether an order of ours still rests at a price; -1 with an exception set. */
static int
has(Quotes *self, PyObject *price)
{
    PyObject *order = Py_XNewRef(PyDict_GetItemWithError(self->orders, price));
    if (order == NULL) {
        return PyErr_Occurred() ? -1 : 0;
    }
    int so = rests(self, order);
    Py_DECREF(order);
    if (so == 0) {
        PyObject *key = turned(!self->is_buy, price);
        if (key == NULL || PyDict_DelItem(self->orders, price) < 0 ||
            strike(self->keys, find(self->keys, key)) < 0) {
            so = -1;
        }
        Py_XDECREF(key);
    }
    return so;
}

/* Forget the order at this place, and cancel it unless it was filled meanwhile. */
static int
take_back(Quotes *self, Py_ssize_t at, PyObject *now)
{
    Py_ssize_t held = PyList_GET_SIZE(self->keys);
    at += at < 0 ? held : 0;
    if (at < 0 || at >= held) {
        PyErr_SetString(PyExc_IndexError, "pop index out of range");
        return -1;
    }
    PyObject *price = turned(!self->is_buy, PyList_GET_ITEM(self->keys, at)), *order = NULL;
    int so = -1;
    if (price != NULL && strike(self->keys, at) == 0) {
        order = Py_XNewRef(PyDict_GetItemWithError(self->orders, price));
        if (order == NULL && !PyErr_Occurred()) {
            PyErr_SetObject(PyExc_KeyError, price);
        }
        so = order == NULL || PyDict_DelItem(self->orders, price) < 0 ? -1 : rests(self, order);
    }
    if (so > 0) {
        so = withdraw(self, order, price, now);
    }
    Py_XDECREF(price);
    Py_XDECREF(order);
    return so;
}

/* ── draws ───────────────────────────────────────────────────────────────────────────────────── */

static int
drawn(Quotes *self, double *value)
{
    PyObject *number = PyObject_CallNoArgs(self->draw);
    if (number == NULL) {
        return -1;
    }
    *value = PyFloat_AsDouble(number);
    Py_DECREF(number);
    return *value == -1.0 && PyErr_Occurred() ? -1 : 0;
}

/* A size worth about so much, spread widely: `worth_about`, draw for draw. */
static PyObject *
lots_worth(Quotes *self, double worth, double per_lot)
{
    double one, other, z;
    do {
        if (drawn(self, &one) < 0 || drawn(self, &other) < 0) {
            return NULL;
        }
        other = 1.0 - other;
        if (!(other > 0.0)) {
            PyErr_SetString(PyExc_ValueError, "draw: found 1 or more, expected less");
            return NULL;
        }
        z = self->kinderman * (one - 0.5) / other;
    } while (z * z / 4.0 > -log(other));
    PyObject *lots = rounded(worth * exp(z - 0.5) / per_lot);
    int order = lots == NULL ? -2 : compare(lots, self->least);
    if (order == -2) {
        Py_CLEAR(lots);
    }
    else if (order <= 0) {
        Py_SETREF(lots, Py_NewRef(self->least));
    }
    return lots;
}

/* An order at a price that the listing has, of a size that is drawn. */
static int
add_drawn(Quotes *self, PyObject *price, double worth, double per_lot, PyObject *now)
{
    int above = compare(price, self->lowest), below = compare(price, self->highest);
    if (above < 0 || below != -1) {
        if (above == -2 || below == -2) {
            return -1;
        }
        if (above < 0 || below > 0) {
            return 0;
        }
    }
    PyObject *lots = lots_worth(self, worth, per_lot);
    int failed = lots == NULL ? -1 : add(self, price, lots, now);
    Py_XDECREF(lots);
    return failed;
}

/* Some price away from the best: dense near it, thinner with distance. */
static PyObject *
price_near(Quotes *self, PyObject *best, double spread)
{
    double where;
    if (drawn(self, &where) < 0) {
        return NULL;
    }
    PyObject *ticks = rounded(spread * pow(where, 1.7)), *price = NULL;
    PyObject *more = PyLong_FromLong(where > 0.02);
    PyObject *away = ticks == NULL || more == NULL ? NULL : plus(ticks, more);
    if (away != NULL) {
        price = self->is_buy ? minus(best, away) : plus(best, away);
    }
    Py_XDECREF(ticks);
    Py_XDECREF(more);
    Py_XDECREF(away);
    return price;
}

static int
fill(Quotes *self, PyObject *best, Py_ssize_t most, Py_ssize_t levels, double spread, double worth,
     double per_lot, PyObject *now)
{
    int held = has(self, best);
    if (held < 0 || (!held && add_drawn(self, best, worth, per_lot, now) < 0)) {
        return -1;
    }
    Py_ssize_t wanted = levels - PyList_GET_SIZE(self->keys);
    for (wanted = wanted < most ? wanted : most; wanted > 0; wanted--) {
        PyObject *price = price_near(self, best, spread);
        held = price == NULL ? -1 : has(self, price);
        if (held == 0) {
            held = add_drawn(self, price, worth, per_lot, now);
        }
        Py_XDECREF(price);
        if (held < 0) {
            return -1;
        }
    }
    return 0;
}

static int
churn(Quotes *self, double chance, Py_ssize_t levels, PyObject *now)
{
    static volatile double two = 2.0; /* the library's power, as Python asks for it */
    Py_ssize_t held = PyList_GET_SIZE(self->keys);
    double value;
    if (held) {
        if (drawn(self, &value) < 0) {
            return -1;
        }
        if (value < chance) {
            if (drawn(self, &value) < 0 ||
                take_back(self, (Py_ssize_t)((double)held * pow(value, two)), now) < 0) {
                return -1;
            }
        }
    }
    Py_ssize_t beyond = PyList_GET_SIZE(self->keys) - levels;
    for (beyond = beyond < 2 ? beyond : 2; beyond > 0; beyond--) {
        if (take_back(self, -1, now) < 0) {
            return -1;
        }
    }
    return 0;
}

/* ── both sides ──────────────────────────────────────────────────────────────────────────────── */

/* What is quoted above, or below, `price` was run over: swept up to `to`, by this chance, or
 * withdrawn. */
static int
run_over(Quotes *quotes, PyObject *price, Quotes *taker, PyObject *to, double swept, PyObject *now)
{
    PyObject *key = turned(!quotes->is_buy, price), *lots = NULL;
    Py_ssize_t better = key == NULL ? -1 : find(quotes->keys, key);
    int failed = better < 0 ? -1 : 0;
    double value = 0.0;
    if (better > 0) {
        failed = drawn(taker, &value);
    }
    if (better > 0 && !failed && value < swept) {
        lots = lots_within(taker, to);
        failed = lots == NULL ? -1 : PyObject_IsTrue(lots);
        failed = failed > 0 ? take(taker, lots, now, to) : failed;
    }
    if (better > 0 && !failed) {
        better = find(quotes->keys, key); /* those that were filled are still in there */
        failed = better < 0 ? -1 : 0;
        for (; better > 0 && !failed; better--) {
            failed = take_back(quotes, 0, now);
        }
    }
    Py_XDECREF(key);
    Py_XDECREF(lots);
    return failed;
}

static int
chase(Quotes *bids, Quotes *asks, Quotes *buyer, Quotes *seller, PyObject *bid, PyObject *ask,
      double swept, PyObject *now)
{
    PyObject *one = PyLong_FromLong(1), *above = one == NULL ? NULL : plus(bid, one);
    PyObject *below = above == NULL ? NULL : minus(ask, one);
    int failed = below == NULL ? -1 : run_over(asks, above, buyer, bid, swept, now);
    failed = failed ? failed : run_over(bids, below, seller, ask, swept, now);
    Py_XDECREF(one);
    Py_XDECREF(above);
    Py_XDECREF(below);
    return failed;
}

/* ── methods ─────────────────────────────────────────────────────────────────────────────────── */

static PyObject *
nothing_or(int failed)
{
    return failed < 0 ? NULL : Py_NewRef(Py_None);
}

static PyObject *
quotes_add(Quotes *self, PyObject *words)
{
    PyObject *price, *lots, *now;
    int read = PyArg_ParseTuple(words, "O!O!O!:add", &PyLong_Type, &price, &PyLong_Type, &lots,
                                &PyLong_Type, &now);
    return read ? nothing_or(add(self, price, lots, now)) : NULL;
}

static PyObject *
quotes_has(Quotes *self, PyObject *price)
{
    int so = has(self, price);
    return so < 0 ? NULL : PyBool_FromLong(so);
}

static PyObject *
quotes_withdraw(Quotes *self, PyObject *words)
{
    PyObject *now;
    Py_ssize_t at;
    int read = PyArg_ParseTuple(words, "nO!:withdraw", &at, &PyLong_Type, &now);
    return read ? nothing_or(take_back(self, at, now)) : NULL;
}

static PyObject *
quotes_beyond(Quotes *self, PyObject *price)
{
    PyObject *key = PyLong_Check(price) ? turned(!self->is_buy, price) : NULL;
    if (key == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_TypeError, "beyond: expected a price in ticks");
        }
        return NULL;
    }
    Py_ssize_t better = find(self->keys, key);
    Py_DECREF(key);
    return better < 0 ? NULL : PyLong_FromSsize_t(better);
}

static PyObject *
quotes_withdraw_beyond(Quotes *self, PyObject *words)
{
    PyObject *price, *now;
    if (!PyArg_ParseTuple(words, "O!O!:withdraw_beyond", &PyLong_Type, &price, &PyLong_Type, &now)) {
        return NULL;
    }
    PyObject *key = turned(!self->is_buy, price);
    Py_ssize_t better = key == NULL ? -1 : find(self->keys, key);
    Py_XDECREF(key);
    int failed = better < 0 ? -1 : 0;
    for (; better > 0 && !failed; better--) {
        failed = take_back(self, 0, now);
    }
    return nothing_or(failed);
}

/* (asks, buyer, seller), all of them quotes. */
static int
find_others(Quotes *self, PyObject *others, Quotes *found[3])
{
    int so = PyTuple_Check(others) && PyTuple_GET_SIZE(others) == 3;
    for (int at = 0; so && at < 3; at++) {
        so = Py_IS_TYPE(PyTuple_GET_ITEM(others, at), Py_TYPE(self));
        found[at] = (Quotes *)PyTuple_GET_ITEM(others, at);
    }
    if (!so) {
        PyErr_SetString(PyExc_TypeError, "others: expected asks, buyer and seller, all quotes");
    }
    return so ? 0 : -1;
}

static PyObject *
quotes_chase(Quotes *self, PyObject *words)
{
    PyObject *others, *bid, *ask, *now;
    Quotes *of[3];
    double swept;
    if (!PyArg_ParseTuple(words, "OO!O!dO!:chase", &others, &PyLong_Type, &bid, &PyLong_Type, &ask,
                          &swept, &PyLong_Type, &now) ||
        find_others(self, others, of) < 0) {
        return NULL;
    }
    return nothing_or(chase(self, of[0], of[1], of[2], bid, ask, swept, now));
}

static PyObject *
quotes_refresh(Quotes *self, PyObject *words)
{
    PyObject *others, *bid, *ask, *now;
    Quotes *of[3];
    double swept, chance, worth, spread, per_lot;
    Py_ssize_t most, kept, levels;
    if (!PyArg_ParseTuple(words, "O(ddndn)O!O!nddO!:refresh", &others, &swept, &chance, &kept, &worth,
                          &most, &PyLong_Type, &bid, &PyLong_Type, &ask, &levels, &spread, &per_lot,
                          &PyLong_Type, &now) ||
        find_others(self, others, of) < 0) {
        return NULL;
    }
    int failed = chase(self, of[0], of[1], of[2], bid, ask, swept, now);
    failed = failed ? failed : churn(self, chance, kept, now);
    failed = failed ? failed : churn(of[0], chance, kept, now);
    failed = failed ? failed : fill(self, bid, most, levels, spread, worth, per_lot, now);
    failed = failed ? failed : fill(of[0], ask, most, levels, spread, worth, per_lot, now);
    return nothing_or(failed);
}

static PyObject *
quotes_take(Quotes *self, PyObject *words)
{
    PyObject *lots, *now;
    int read = PyArg_ParseTuple(words, "O!O!:take", &PyLong_Type, &lots, &PyLong_Type, &now);
    return read ? nothing_or(take(self, lots, now, Py_None)) : NULL;
}

static PyObject *
quotes_sweep(Quotes *self, PyObject *words)
{
    PyObject *price, *now;
    if (!PyArg_ParseTuple(words, "O!O!:sweep", &PyLong_Type, &price, &PyLong_Type, &now)) {
        return NULL;
    }
    PyObject *lots = lots_within(self, price);
    int so = lots == NULL ? -1 : PyObject_IsTrue(lots);
    so = so > 0 ? take(self, lots, now, price) : so;
    Py_XDECREF(lots);
    return nothing_or(so);
}

static PyObject *
quotes_fill(Quotes *self, PyObject *words)
{
    PyObject *best, *now;
    Py_ssize_t most, levels;
    double spread, worth, per_lot;
    int read = PyArg_ParseTuple(words, "O!nndddO!:fill", &PyLong_Type, &best, &most, &levels,
                                &spread, &worth, &per_lot, &PyLong_Type, &now);
    return read ? nothing_or(fill(self, best, most, levels, spread, worth, per_lot, now)) : NULL;
}

static PyObject *
quotes_churn(Quotes *self, PyObject *words)
{
    PyObject *now;
    Py_ssize_t levels;
    double chance;
    int read = PyArg_ParseTuple(words, "dnO!:churn", &chance, &levels, &PyLong_Type, &now);
    return read ? nothing_or(churn(self, chance, levels, now)) : NULL;
}

/* ── how quotes are made ─────────────────────────────────────────────────────────────────────── */

static int
find_places(Quotes *self, PyObject *module)
{
#define FIND(kind, name)                                                                           \
    {                                                                                              \
        PyObject *type = attribute(module, #kind);                                    \
        self->kind##_##name = type == NULL ? -1 : place_of(type, #name);                           \
        Py_XDECREF(type);                                                                          \
        if (self->kind##_##name < 0) {                                                             \
            return -1;                                                                             \
        }                                                                                          \
    }
    PLACES(FIND)
#undef FIND
    return 0;
}

/* Slots are read unasked: these must be what they are taken for. */
static int
check(Quotes *self, PyObject *module)
{
    static const char *const kinds[] = {"Pit", "Ladder", "Ladder", "Execution"};
    PyObject *found[] = {self->pit, self->own, self->other, self->execution};
    for (int at = 0; at < 4; at++) {
        PyObject *type = attribute(module, kinds[at]);
        if (type == NULL) {
            return -1;
        }
        /* Of the type itself: an instance may be one by what it says of itself. */
        int so = PyType_Check(type) && PyObject_TypeCheck(found[at], (PyTypeObject *)type);
        Py_DECREF(type);
        if (!so) {
            PyErr_Format(PyExc_TypeError, "hand: found %s, expected %s",
                         Py_TYPE(found[at])->tp_name, kinds[at]);
            return -1;
        }
    }
    if (!PyDict_Check(self->open) || !PyDict_Check(self->known) ||
        !PyTuple_Check(self->fee_assets) || PyTuple_GET_SIZE(self->fee_assets) != 2 ||
        !PyType_Check(self->SimOrder) || !PyType_Check(self->Level)) {
        PyErr_SetString(PyExc_TypeError, "hand: found no open orders");
        return -1;
    }
    return 0;
}

/* The rows of its pit's past stay where they are as long as quotes may write there. */
static int
find_past(Quotes *self)
{
    PyObject *stops = attribute(self->pit, "stops");
    self->past = attribute(self->pit, "past");
    self->average = attribute(self->pit, "average");
    self->waiting = stops == NULL ? NULL : attribute(stops, "waiting");
    self->append = PyUnicode_InternFromString("append");
    PyObject *rows = self->past == NULL ? NULL : attribute(self->past, "rows");
    int failed = rows == NULL || self->average == NULL || self->waiting == NULL ||
                 self->append == NULL ||
                 PyObject_GetBuffer(rows, &self->rows, PyBUF_WRITABLE) < 0;
    Py_XDECREF(stops);
    Py_XDECREF(rows);
    if (!failed && !PyDict_Check(self->waiting)) {
        PyErr_SetString(PyExc_TypeError, "pit.stops: expected those that wait");
        failed = 1;
    }
    if (!failed && (self->rows.len == 0 || self->rows.len % (3 * sizeof(long long)))) {
        PyErr_SetString(PyExc_TypeError, "pit.past: expected rows of three numbers");
        failed = 1;
    }
    return failed ? -1 : 0;
}

static PyObject *
quotes_new(PyTypeObject *type, PyObject *words, PyObject *named)
{
    static char *names[] = {"hand", "draw", "least", "lowest", "highest", "module", NULL};
    PyObject *hand, *draw, *least, *lowest, *highest, *module;
    if (!PyArg_ParseTupleAndKeywords(words, named, "OOO!O!O!O:Quotes", names, &hand, &draw,
                                     &PyLong_Type, &least, &PyLong_Type, &lowest, &PyLong_Type,
                                     &highest, &module)) {
        return NULL;
    }
    Quotes *self = (Quotes *)type->tp_alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->hand = Py_NewRef(hand);
    self->draw = Py_NewRef(draw);
    self->least = Py_NewRef(least);
    self->lowest = Py_NewRef(lowest);
    self->highest = Py_NewRef(highest);
    int failed = (self->keys = PyList_New(0)) == NULL || (self->orders = PyDict_New()) == NULL;
#define FETCH(name, word)                                                                          \
    failed = failed || (self->name = attribute(hand, word)) == NULL;
    HELD(FETCH)
#undef FETCH
#define FETCH(name, word)                                                                          \
    failed = failed || (self->name = attribute(module, word)) == NULL;
    WORDS(FETCH)
#undef FETCH
    PyObject *kinderman = failed ? NULL : attribute(module, "KINDERMAN");
    PyObject *buys = failed ? NULL : attribute(hand, "is_buy");
    failed = kinderman == NULL || buys == NULL || check(self, module) < 0 ||
             find_places(self, module) < 0 || find_past(self) < 0;
    if (!failed) {
        self->kinderman = PyFloat_AsDouble(kinderman);
        self->is_buy = PyObject_IsTrue(buys);
        failed = PyErr_Occurred() != NULL;
    }
    Py_XDECREF(kinderman);
    Py_XDECREF(buys);
    if (failed) {
        Py_CLEAR(self);
    }
    return (PyObject *)self;
}

#define ALL_HELD(X)                                                                                \
    X(hand, "") X(seen, "") X(draw, "") X(keys, "") X(orders, "") X(least, "") X(lowest, "")       \
    X(highest, "") X(past, "") X(average, "") X(waiting, "") X(append, "") HELD(X) WORDS(X)

static int
quotes_traverse(Quotes *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
#define VISIT(name, word) Py_VISIT(self->name);
    ALL_HELD(VISIT)
#undef VISIT
    return 0;
}

static void
quotes_dealloc(Quotes *self)
{
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    PyBuffer_Release(&self->rows);
#define CLEAR(name, word) Py_CLEAR(self->name);
    ALL_HELD(CLEAR)
#undef CLEAR
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"add", (PyCFunction)quotes_add, METH_VARARGS,
     "add(price, lots, now): place an order, and remember it if it rests."},
    {"has", (PyCFunction)quotes_has, METH_O, "Whether an order of ours still rests at a price."},
    {"withdraw", (PyCFunction)quotes_withdraw, METH_VARARGS,
     "withdraw(index, now): forget an order, and cancel it unless it was filled meanwhile."},
    {"chase", (PyCFunction)quotes_chase, METH_VARARGS,
     "chase(others, bid, ask, swept, now): sweep or withdraw what was run over."},
    {"refresh", (PyCFunction)quotes_refresh, METH_VARARGS,
     "refresh(others, manners, bid, ask, levels, spread, per_lot, now): chase, churn and fill."},
    {"withdraw_beyond", (PyCFunction)quotes_withdraw_beyond, METH_VARARGS,
     "withdraw_beyond(price, now): forget and cancel all that are better than a price."},
    {"take", (PyCFunction)quotes_take, METH_VARARGS,
     "take(lots, now): trade with whatever is there; what is left expires."},
    {"sweep", (PyCFunction)quotes_sweep, METH_VARARGS,
     "sweep(price, now): take everything from the other side up to a price."},
    {"beyond", (PyCFunction)quotes_beyond, METH_O, "How many of ours are better than a price."},
    {"fill", (PyCFunction)quotes_fill, METH_VARARGS,
     "fill(best, most, levels, spread, worth, per_lot, now): place what is missing."},
    {"churn", (PyCFunction)quotes_churn, METH_VARARGS,
     "churn(chance, levels, now): withdraw something, and what is too much."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef members[] = {
    {"keys", T_OBJECT_EX, offsetof(Quotes, keys), READONLY, "One for each order, best first."},
    {"orders", T_OBJECT_EX, offsetof(Quotes, orders), READONLY, "By price."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_doc, "The makers' orders on one side; see `pitwire.sim.quotes`."},
    {Py_tp_new, quotes_new},
    {Py_tp_traverse, quotes_traverse},
    {Py_tp_dealloc, quotes_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "pitwire.sim._quotes.Quotes",
    .basicsize = sizeof(Quotes),
    /* It holds only what was there before it and never learns of it, so it closes no circle that
     * something else in it could not open. */
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

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_quotes",
    .m_doc = "The compiled twin of pitwire.sim.quotes.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__quotes(void)
{
    return PyModuleDef_Init(&module);
}
