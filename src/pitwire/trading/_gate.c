/* The compiled twin of the gate's short way: a quick yes, and what follows from it.
 *
 * It says yes where `Screen._order` would say yes by `Conduct.breach`, `Lately` and
 * `Clearance.passes`, and then does what `Screen._approve` does. Of every other wish, and in every
 * doubt, it says None and has done nothing: `Screen._order` decides. So it refuses nothing, and
 * what is rare (a halt, a market order, a size in quote units, anything unknown, a number that was
 * not put on the grid before) is not its business.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <float.h>
#include <structmember.h>

#if FLT_EVAL_METHOD != 0
#error "a double must be computed as one, or a sum is another than Python's"
#endif

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

#define NAMES(X)                                                                                  \
    X(_age) X(_balances) X(_check_funds) X(_clearances) X(_clock) X(_closes) X(_collar) X(_floats)  \
    X(_grid) X(_ids) X(_is_not_lost) X(_lately) X(_limits) X(_loss) X(_max_here)       \
    X(_max_notional) X(_max_open) X(_max_position) X(_max_size) X(_min_notional) X(_pending)       \
    X(_placed) X(_rated) X(_second) X(_shorts) X(_ten) X(_today) X(_tomorrow) X(_touches)          \
    X(_tradable) X(_types) X(_window) X(armed) X(balances) X(base) X(blind) X(buys) X(by_symbol)   \
    X(cause) X(clear) X(conduct) X(day_orders) X(error) X(flying) X(free) X(halted)     \
    X(held) X(holdings) X(instrument) X(instruments) X(ledger) X(limits) X(made) X(margin)         \
    X(max_day_orders) X(max_orders_per_second) X(max_orders_per_ten_seconds)                       \
    X(max_unanswered_orders) X(missed) X(next) X(offset) X(open) X(open_by_symbol)         \
    X(_ladder) X(_shares) X(_shelf) X(append) X(ask) X(ask_size) X(asks) X(begin) X(bid)   \
    X(bid_size) X(bids) X(books) X(counts) X(last_id) X(moving) X(orders) X(quotes) X(ready)       \
    X(top) X(update_id) X(portfolio) X(price) X(protective) X(quote) X(quote_buys) X(quote_sells) X(quote_size)        \
    X(received) X(reduce_only) X(reducing) X(rule) X(scale) X(sells) X(settled) X(side) X(size)    \
    X(stakes) X(stale) X(statuses) X(stop_price) X(symbol) X(tag) X(tally) X(time_in_force)        \
    X(touch) X(type) X(unanswered) X(unknown)

#define AS_ENUM(name) N_##name,
#define AS_TEXT(name) #name,
enum { NAMES(AS_ENUM) COUNT };
static const char *const SPELT[COUNT] = {NAMES(AS_TEXT)};

/* An integer beyond this is no number of ns that a float holds, and left to Python. */
static const long long EXACT = 1LL << 53;
/* And one beyond this is none that a difference may be taken of: two of them would not fit. */
static const long long LARGEST = 1LL << 62;
enum { HELD = 256 };

/* Where an attribute was found last: at this place of objects of that type, as the type was. */
typedef struct {
    PyTypeObject *type;
    unsigned int version;
    Py_ssize_t place;
} Spot;

typedef struct {
    PyObject *name[COUNT];
    Spot spot[COUNT];
    PyObject *draft, *order, *tracked, *share, *deque, *market, *buy, *ours, *new, *zero, *add;
    double margin;
    long long drift_ppm, second;
} Known;

typedef enum { GOES = 0, LEAVES, FAILS } Course;

/* What one call holds on to, and whether it goes on. */
typedef struct {
    Known *known;
    Course course;
    int only_asks; /* nothing is to be changed */
    int count;
    PyObject *held[HELD];
} Walk;

static PyObject *
hold(Walk *walk, PyObject *found)
{
    if (found == NULL) {
        walk->course = FAILS;
        return NULL;
    }
    if (walk->count == HELD) { /* cannot be: counted by hand */
        Py_DECREF(found);
        PyErr_SetString(PyExc_SystemError, "gate: too much to hold");
        walk->course = FAILS;
        return NULL;
    }
    walk->held[walk->count++] = found;
    return found;
}

/* Remember where objects of this type have what is found in a slot; a type that is changed is given
 * another version, or none. */
static void
spot(Spot *spot, PyTypeObject *type, PyObject *name)
{
    PyObject *found = _PyType_Lookup(type, name); /* borrowed */
    if (found == NULL || !Py_IS_TYPE(found, &PyMemberDescr_Type) || !type->tp_version_tag ||
        type->tp_getattro != PyObject_GenericGetAttr) {
        return;
    }
    const PyMemberDef *member = ((PyMemberDescrObject *)found)->d_member;
    if (member->type == T_OBJECT_EX && PyType_IsSubtype(type, PyDescr_TYPE(found))) {
        *spot = (Spot){type, type->tp_version_tag, member->offset};
    }
}

/* The attribute of this name; NULL once the walk has ended. */
static PyObject *
get(Walk *walk, PyObject *from, int name)
{
    if (walk->course != GOES) {
        return NULL;
    }
    Spot *known = &walk->known->spot[name];
    PyTypeObject *type = Py_TYPE(from);
    if (known->type == type && known->version == type->tp_version_tag) {
        PyObject *found = *(PyObject **)((char *)from + known->place);
        if (found != NULL) {
            return hold(walk, Py_NewRef(found));
        }
    }
    PyObject *found = PyObject_GetAttr(from, walk->known->name[name]);
    if (found != NULL && known->type != type) {
        spot(known, type, walk->known->name[name]);
    }
    return hold(walk, found);
}

/* What the dict of this name has at a key; NULL where it has nothing. */
static PyObject *
look(Walk *walk, PyObject *from, int name, PyObject *key)
{
    PyObject *table = get(walk, from, name);
    if (table == NULL) {
        return NULL;
    }
    if (!PyDict_Check(table)) {
        walk->course = LEAVES;
        return NULL;
    }
    PyObject *found = PyDict_GetItemWithError(table, key);
    if (found == NULL) {
        if (PyErr_Occurred()) {
            walk->course = FAILS;
        }
        return NULL;
    }
    return hold(walk, Py_NewRef(found));
}

/* Goes on only where this holds. */
static void
demand(Walk *walk, int holds)
{
    if (walk->course == GOES && !holds) {
        walk->course = LEAVES;
    }
}

/* Goes on only where the attribute is true, or is not. */
static void
demand_truth(Walk *walk, PyObject *from, int name, int wanted)
{
    PyObject *found = get(walk, from, name);
    if (found != NULL) {
        int truth = PyObject_IsTrue(found);
        if (truth < 0) {
            walk->course = FAILS;
        }
        demand(walk, truth == wanted);
    }
}

static void
demand_none(Walk *walk, PyObject *from, int name)
{
    PyObject *found = get(walk, from, name);
    demand(walk, found == Py_None);
}

/* Goes on only where `one <= other`, as Python compares them. */
static void
demand_at_most(Walk *walk, PyObject *one, PyObject *other)
{
    if (walk->course != GOES) {
        return;
    }
    int holds = PyObject_RichCompareBool(one, other, Py_LE);
    if (holds < 0) {
        walk->course = FAILS;
    }
    demand(walk, holds);
}

static long long
whole(Walk *walk, PyObject *value)
{
    int over = 0;
    if (walk->course != GOES) {
        return 0;
    }
    demand(walk, PyLong_Check(value));
    long long number = walk->course == GOES ? PyLong_AsLongLongAndOverflow(value, &over) : 0;
    demand(walk, !over && number < LARGEST && number > -LARGEST);
    return walk->course == GOES ? number : 0;
}

static long long
get_whole(Walk *walk, PyObject *from, int name)
{
    PyObject *found = get(walk, from, name);
    return found == NULL ? 0 : whole(walk, found);
}

/* A float, or a whole number that a float holds. */
static double
real(Walk *walk, PyObject *value)
{
    if (walk->course != GOES) {
        return 0.0;
    }
    if (PyFloat_Check(value)) {
        return PyFloat_AS_DOUBLE(value);
    }
    long long number = whole(walk, value);
    demand(walk, number < EXACT && number > -EXACT);
    return (double)number;
}

static double
get_real(Walk *walk, PyObject *from, int name)
{
    PyObject *found = get(walk, from, name);
    return found == NULL ? 0.0 : real(walk, found);
}

static Py_ssize_t
get_size(Walk *walk, PyObject *from, int name)
{
    PyObject *found = get(walk, from, name);
    Py_ssize_t size = found == NULL ? 0 : PyObject_Size(found);
    if (size < 0) {
        walk->course = FAILS;
    }
    return size;
}

static PyObject *
call(Walk *walk, PyObject *on, int name, PyObject *one, PyObject *two, PyObject *three)
{
    if (walk->course != GOES) {
        return NULL;
    }
    PyObject *arguments[] = {on, one, two, three};
    size_t count = 1;
    while (count < 4 && arguments[count] != NULL) {
        count++;
    }
    return hold(walk, PyObject_VectorcallMethod(walk->known->name[name], arguments,
                                                count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL));
}

static void
demand_yes(Walk *walk, PyObject *answer)
{
    demand(walk, answer == Py_True);
}

/* ── what `Screen._order` and `Conduct.breach` ask first ───────────────────────────────────── */

static void
ask_switches(Walk *walk, PyObject *screen, PyObject *state, PyObject *tally, long long now)
{
    demand_truth(walk, screen, N_halted, 0);
    demand_truth(walk, screen, N_armed, 1);
    demand_truth(walk, screen, N_reducing, 0);
    demand_truth(walk, screen, N__closes, 0);
    demand_truth(walk, state, N_missed, 0);
    demand_truth(walk, state, N_blind, 0);
    demand_truth(walk, tally, N_unknown, 0);
    PyObject *conduct = get(walk, screen, N_conduct), *limits = get(walk, conduct, N__limits);
    demand(walk, get_whole(walk, tally, N_unanswered) <
                     get_whole(walk, limits, N_max_unanswered_orders));
    demand_truth(walk, conduct, N__rated, 0);
    demand(walk, get_whole(walk, conduct, N__today) <= now);
    demand(walk, now < get_whole(walk, conduct, N__tomorrow));
    PyObject *most = get(walk, limits, N_max_day_orders);
    if (most != NULL && most != Py_None) {
        demand(walk, get_whole(walk, conduct, N_day_orders) < whole(walk, most));
    }
}

/* ── `Draft.place` and `Lately` ────────────────────────────────────────────────────────────── */

/* The number on the grid, where it was put there before. */
static PyObject *
on_grid(Walk *walk, PyObject *clearance, PyObject *draft, int name, PyObject *is_price)
{
    PyObject *value = get(walk, draft, name);
    demand(walk, value != Py_None);
    if (walk->course != GOES) {
        return NULL;
    }
    PyObject *key = hold(walk, PyTuple_Pack(3, (PyObject *)Py_TYPE(value), value, is_price));
    PyObject *found = key == NULL ? NULL : look(walk, clearance, N__grid, key);
    if (walk->course == FAILS && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear(); /* what cannot be looked up is for `Clearance.price` to refuse */
        walk->course = LEAVES;
    }
    demand(walk, found != NULL);
    return found;
}

/* Nothing like it by this rule lately; what is too old to count is forgotten. */
static void
ask_lately(Walk *walk, PyObject *lately, PyObject *limits, PyObject *draft, PyObject *symbol,
           PyObject *side, long long now)
{
    demand(walk, get_size(walk, lately, N__second) <
                     get_whole(walk, limits, N_max_orders_per_second));
    demand(walk, get_size(walk, lately, N__ten) <
                     get_whole(walk, limits, N_max_orders_per_ten_seconds));
    PyObject *rule = get(walk, draft, N_rule);
    PyObject *key = walk->course == GOES ? hold(walk, PyTuple_Pack(3, rule, symbol, side)) : NULL;
    PyObject *last = key == NULL ? NULL : look(walk, lately, N__placed, key);
    if (last == NULL) {
        return;
    }
    Py_ssize_t size = PyObject_Size(last);
    long long window = get_whole(walk, lately, N__window);
    for (Py_ssize_t number = 0; number < size && walk->course == GOES; number++) {
        PyObject *one = PySequence_GetItem(last, number);
        if (one == NULL) {
            walk->course = FAILS;
            return;
        }
        demand(walk, PyTuple_Check(one) && PyTuple_GET_SIZE(one) == 2);
        if (walk->course == GOES) {
            demand(walk, now - whole(walk, PyTuple_GET_ITEM(one, 0)) >= window);
        }
        Py_DECREF(one);
    }
    if (size > 0 && !walk->only_asks) {
        call(walk, last, N_clear, NULL, NULL, NULL);
    }
}

/* ── `State.touch` ─────────────────────────────────────────────────────────────────────────── */

static PyObject *
touch_of(Walk *walk, PyObject *state, PyObject *symbol)
{
    PyObject *quote = look(walk, state, N_quotes, symbol), *book = look(walk, state, N_books, symbol);
    if (book == NULL || get(walk, book, N_ready) != Py_True) {
        return call(walk, state, N_touch, symbol, NULL, NULL);
    }
    PyObject *bid = get(walk, get(walk, get(walk, book, N_bids), N__ladder), N_top);
    PyObject *ask = get(walk, get(walk, get(walk, book, N_asks), N__ladder), N_top);
    ask = walk->course == GOES ? hold(walk, PyNumber_Negative(ask)) : NULL;
    PyObject *heard = get(walk, book, N_received);
    int is_whole = real(walk, bid) > -Py_HUGE_VAL && real(walk, ask) < Py_HUGE_VAL;
    if (quote != NULL) {
        PyObject *quoted = get(walk, quote, N_received);
        long long when = whole(walk, quoted), then = whole(walk, heard);
        long long id = get_whole(walk, quote, N_update_id);
        int newer = id ? get_whole(walk, book, N_last_id) > id : then > when;
        heard = when >= then ? quoted : heard;
        if (!(newer && is_whole)) { /* its very numbers: a record writes 99 and 99.0 apart */
            bid = get(walk, quote, N_bid);
            ask = get(walk, quote, N_ask);
            is_whole = get_real(walk, quote, N_bid_size) > 0 && get_real(walk, quote, N_ask_size) > 0;
        }
    }
    demand(walk, is_whole);
    return walk->course == GOES ? hold(walk, PyTuple_Pack(3, bid, ask, heard)) : NULL;
}

/* ── `Clearance.passes` ────────────────────────────────────────────────────────────────────── */

static void
ask_market(Walk *walk, PyObject *clearance, PyObject *state, PyObject *symbol, long long now)
{
    demand_truth(walk, clearance, N__tradable, 1);
    PyObject *stale = look(walk, state, N_stale, symbol);
    demand(walk, stale == NULL);
    PyObject *status = look(walk, state, N_statuses, symbol);
    demand(walk, status == NULL);
    PyObject *clock = get(walk, state, N_offset);
    if (clock == NULL || clock == Py_None) {
        return;
    }
    long long passed = now - get_whole(walk, clock, N_received);
    long long error = get_whole(walk, clock, N_error);
    demand(walk, passed >= 0 && passed < 1000000000000000LL && error < EXACT && error > -EXACT);
    if (walk->course != GOES) { /* what is that long ago times the drift would not fit */
        return;
    }
    double may = get_real(walk, clearance, N__clock);
    demand(walk, (double)(error + passed * walk->known->drift_ppm / 1000000) <= may);
}

static void
ask_worth(Walk *walk, PyObject *clearance, PyObject *size, PyObject *notional)
{
    demand_at_most(walk, size, get(walk, clearance, N__max_size));
    demand_at_most(walk, get(walk, clearance, N__min_notional), notional);
    demand_at_most(walk, notional, get(walk, clearance, N__max_notional));
}

static void
ask_collar(Walk *walk, PyObject *clearance, PyObject *price, double best, int buys)
{
    double away = get_real(walk, clearance, N__collar);
    if (walk->course != GOES || away == Py_HUGE_VAL) {
        return;
    }
    PyObject *known = look(walk, clearance, N__floats, price);
    demand(walk, known != NULL);
    double worth = known == NULL ? 0.0 : real(walk, known);
    double far = best * (away - walk->known->margin * (1 + away));
    demand(walk, worth != 0.0 && (buys ? worth <= best + far : worth >= best - far));
}

static PyObject *
sum(Walk *walk, PyObject *one, PyObject *other)
{
    return walk->course == GOES ? hold(walk, PyNumber_Add(one, other)) : NULL;
}

static void
ask_room(Walk *walk, PyObject *clearance, PyObject *state, PyObject *ledger, PyObject *tally,
         PyObject *symbol, PyObject *size, int buys)
{
    demand(walk, get_size(walk, ledger, N_open) < get_whole(walk, clearance, N__max_open));
    PyObject *here = look(walk, ledger, N_open_by_symbol, symbol);
    if (here != NULL) {
        demand(walk, PyDict_Check(here) && PyDict_GET_SIZE(here) <
                                               get_whole(walk, clearance, N__max_here));
    }
    PyObject *holding = look(walk, get(walk, state, N_portfolio), N_holdings, symbol);
    PyObject *held = holding == NULL ? walk->known->zero : get(walk, holding, N_size);
    PyObject *standing = look(walk, tally, N_by_symbol, symbol), *waiting = walk->known->zero;
    if (standing != NULL) {
        demand_truth(walk, standing, N_unknown, 0);
        demand_truth(walk, standing, N_quote_buys, 0);
        demand_truth(walk, standing, N_quote_sells, 0);
        waiting = get(walk, standing, buys ? N_buys : N_sells);
    }
    PyObject *worst = buys ? sum(walk, sum(walk, held, waiting), size) : sum(walk, waiting, size);
    if (!buys && walk->course == GOES) {
        worst = hold(walk, PyNumber_Subtract(worst, held));
    }
    PyObject *largest = get(walk, clearance, N__max_position);
    if (largest != Py_None) {
        demand_at_most(walk, worst, largest);
    }
    if (!buys && get(walk, clearance, N__shorts) != Py_True) {
        demand_at_most(walk, worst, walk->known->zero);
    }
}

static void
ask_loss(Walk *walk, PyObject *clearance, PyObject *state, PyObject *instrument)
{
    double most = get_real(walk, clearance, N__loss);
    if (walk->course != GOES || most == Py_HUGE_VAL) {
        return;
    }
    PyObject *stakes = get(walk, state, N_portfolio);
    PyObject *stake = look(walk, stakes, N_stakes, get(walk, instrument, N_quote));
    demand(walk, stake != NULL);
    if (walk->course == GOES && get_size(walk, stake, N_held)) {
        demand_yes(walk, call(walk, clearance, N__is_not_lost, state, NULL, NULL));
        return;
    }
    double settled = get_real(walk, stake, N_settled), scale = get_real(walk, stake, N_scale);
    demand(walk, -settled + walk->known->margin * scale < most);
}

static void
let_go(Walk *walk, int mark)
{
    while (walk->count > mark) {
        Py_DECREF(walk->held[--walk->count]);
    }
}

/* How much of the asset an order on its way may take, as `_at_most_wants` has it. */
static PyObject *
wanted_by(Walk *walk, PyObject *tracked, PyObject *asset, PyObject *state)
{
    PyObject *size = get(walk, tracked, N_size), *side = get(walk, tracked, N_side);
    PyObject *instrument = look(walk, state, N_instruments, get(walk, tracked, N_symbol));
    demand(walk, instrument != NULL && size != Py_None);
    int buys = side == walk->known->buy;
    PyObject *its = get(walk, instrument, buys ? N_quote : N_base);
    int same = its == NULL ? 0 : PyObject_RichCompareBool(its, asset, Py_EQ);
    if (same < 0) {
        walk->course = FAILS;
    }
    if (walk->course != GOES || !same) {
        return walk->known->zero;
    }
    if (!buys) {
        return size;
    }
    PyObject *price = get(walk, tracked, N_price);
    int named = price == NULL ? 0 : PyObject_IsTrue(price);
    if (named < 0) {
        walk->course = FAILS;
    }
    demand(walk, named); /* else a stop, or one at market */
    return walk->course == GOES ? hold(walk, PyNumber_Multiply(size, price)) : NULL;
}

/* `Clearance._is_paid`. */
static void
ask_funds(Walk *walk, PyObject *clearance, PyObject *state, PyObject *tally, PyObject *instrument,
          PyObject *needed, int buys)
{
    PyObject *checks = get(walk, clearance, N__check_funds);
    if (checks == Py_False) {
        return;
    }
    PyObject *asset = get(walk, instrument, buys ? N_quote : N_base);
    PyObject *balance = look(walk, get(walk, state, N_portfolio), N_balances, asset);
    PyObject *margin = get(walk, instrument, N_margin), *flying = get(walk, tally, N_flying);
    if (walk->course != GOES || balance == NULL) {
        return;
    }
    demand(walk, PyUnicode_Check(margin) && PyDict_Check(flying));
    if (walk->course != GOES || PyUnicode_GET_LENGTH(margin)) {
        return;
    }
    PyObject *key, *tracked, *total = Py_NewRef(needed);
    Py_ssize_t at = 0;
    while (walk->course == GOES && PyDict_Next(flying, &at, &key, &tracked)) {
        int mark = walk->count;
        PyObject *wants = wanted_by(walk, hold(walk, Py_NewRef(tracked)), asset, state);
        PyObject *more = walk->course == GOES ? PyNumber_Add(total, wants) : Py_NewRef(total);
        if (more == NULL) {
            walk->course = FAILS;
            break;
        }
        Py_SETREF(total, more);
        let_go(walk, mark);
    }
    demand_at_most(walk, total, get(walk, balance, N_free));
    Py_DECREF(total);
}

/* ── `Screen._approve` ─────────────────────────────────────────────────────────────────────── */

static void
set(Walk *walk, PyObject *on, int name, PyObject *value)
{
    if (walk->course == GOES && PyObject_SetAttr(on, walk->known->name[name], value) < 0) {
        walk->course = FAILS;
    }
}

static void
count_one(Walk *walk, PyObject *on, int name)
{
    long long count = get_whole(walk, on, name);
    if (walk->course == GOES) {
        set(walk, on, name, hold(walk, PyLong_FromLongLong(count + 1)));
    }
}

static void
put(Walk *walk, PyObject *from, int name, PyObject *key, PyObject *value)
{
    PyObject *table = get(walk, from, name);
    if (table != NULL && PyObject_SetItem(table, key, value) < 0) {
        walk->course = FAILS;
    }
}

/* `Tally.begin`. */
static void
begin_tally(Walk *walk, PyObject *tally, PyObject *tracked, PyObject *id, PyObject *symbol,
            PyObject *side, PyObject *size)
{
    const Known *known = walk->known;
    PyObject *here = look(walk, tally, N_by_symbol, symbol);
    if (here == NULL) {
        call(walk, tally, N_begin, tracked, NULL, NULL);
        return;
    }
    int name = side == known->buy ? N_buys : N_sells;
    PyObject *before = get(walk, here, name), *after = size;
    int adds = side != known->buy || before == NULL ? 1 : PyObject_IsTrue(before);
    if (walk->course == GOES && adds) {
        PyObject *both[] = {before, size};
        after = hold(walk, adds < 0 ? NULL : PyObject_Vectorcall(known->add, both, 2, NULL));
    }
    set(walk, here, name, after);
    count_one(walk, here, N_orders);
    count_one(walk, tally, N_unanswered);
    put(walk, tally, N_flying, id, tracked);
    put(walk, here, N_moving, id, tracked);
    if (walk->course == GOES) {
        PyObject *fields[] = {side, size, known->zero, Py_True, Py_True, Py_None};
        PyObject *share = hold(walk, PyObject_Vectorcall(known->share, fields, 6, NULL));
        if (share != NULL) {
            put(walk, tally, N__shares, id, share);
        }
    }
}

/* `OrderLedger.made`, for an id that no order has. */
static void
enter(Walk *walk, PyObject *ledger, PyObject *tally, PyObject *order, PyObject **field, PyObject *at)
{
    const Known *known = walk->known;
    PyObject *id = field[0], *symbol = field[1], *shelf = get(walk, ledger, N__shelf);
    PyObject *old = look(walk, shelf, N_orders, id);
    if (walk->course != GOES || old != NULL) {
        call(walk, ledger, N_made, order, at, NULL);
        return;
    }
    PyObject *fields[] = {id,       symbol,  known->ours, known->new, field[2],  field[3],
                          order,    field[4], Py_None,     field[6],   Py_None,   field[11],
                          field[12], Py_True, at,          at};
    PyObject *tracked = hold(walk, PyObject_Vectorcall(known->tracked, fields, 16, NULL));
    if (tracked == NULL) {
        return;
    }
    put(walk, shelf, N_orders, id, tracked);
    put(walk, ledger, N_open, id, tracked);
    PyObject *here = look(walk, ledger, N_open_by_symbol, symbol);
    if (walk->course == GOES && here == NULL) {
        here = hold(walk, PyDict_New());
        if (here != NULL) {
            put(walk, ledger, N_open_by_symbol, symbol, here);
        }
    }
    if (walk->course == GOES && PyDict_SetItem(here, id, tracked) < 0) {
        walk->course = FAILS;
    }
    begin_tally(walk, tally, tracked, id, symbol, field[2], field[4]);
}

/* Whether the oldest of these times is as long ago. */
static int
is_over(Walk *walk, PyObject *times, long long ago)
{
    PyObject *first = walk->course == GOES ? hold(walk, PySequence_GetItem(times, 0)) : NULL;
    return first != NULL && whole(walk, first) <= ago;
}

/* `Lately.note`. */
static void
note(Walk *walk, PyObject *lately, PyObject *order, PyObject **field, PyObject *at, long long now)
{
    const Known *known = walk->known;
    PyObject *second = get(walk, lately, N__second), *ten = get(walk, lately, N__ten);
    call(walk, second, N_append, at, NULL, NULL);
    call(walk, ten, N_append, at, NULL, NULL);
    if (is_over(walk, second, now - known->second) || is_over(walk, ten, now - 10 * known->second)) {
        call(walk, lately, N_counts, at, NULL, NULL);
    }
    if (!get_whole(walk, lately, N__window) || walk->course != GOES) {
        return;
    }
    PyObject *key = hold(walk, PyTuple_Pack(3, field[12], field[1], field[2]));
    PyObject *placed = key == NULL ? NULL : look(walk, lately, N__placed, key);
    if (walk->course == GOES && placed == NULL) {
        placed = hold(walk, PyObject_CallNoArgs(known->deque));
        if (placed != NULL) {
            put(walk, lately, N__placed, key, placed);
        }
    }
    PyObject *pair = walk->course == GOES ? hold(walk, PyTuple_Pack(2, at, order)) : NULL;
    call(walk, placed, N_append, pair, NULL, NULL);
}

/* `Conduct.decided`, within a day that has begun. */
static void
decide(Walk *walk, PyObject *conduct, PyObject *id)
{
    count_one(walk, conduct, N_day_orders);
    PyObject *pending = get(walk, conduct, N__pending);
    if (pending != NULL && PySet_Add(pending, id) < 0) {
        walk->course = FAILS;
    }
}

static PyObject *
approve(Walk *walk, PyObject *screen, PyObject *draft, PyObject *ledger, PyObject *tally,
        PyObject *size, PyObject *price, PyObject *at, long long now)
{
    static const int COPIED[] = {N_symbol, N_side, N_type, N_time_in_force, N_reduce_only,
                                 N_tag,    N_rule, N_cause};
    PyObject *part[8], *none = Py_None;
    for (int number = 0; number < 8; number++) {
        part[number] = get(walk, draft, COPIED[number]);
    }
    PyObject *id = call(walk, get(walk, screen, N__ids), N_next, NULL, NULL, NULL);
    if (walk->course != GOES) {
        return NULL;
    }
    PyObject *field[] = {id,   part[0], part[1], part[2], size,    none,    price, none,
                         none, part[3], part[4], part[5], part[6], part[7], at};
    PyObject *order = hold(walk, PyObject_Vectorcall(walk->known->order, field, 15, NULL));
    if (order != NULL) {
        enter(walk, ledger, tally, order, field, at);
        note(walk, get(walk, screen, N__lately), order, field, at, now);
        decide(walk, get(walk, screen, N_conduct), id);
    }
    return order;
}

static PyObject *
admitted(Walk *walk, PyObject *screen, PyObject *draft, PyObject *state, PyObject *at)
{
    const Known *known = walk->known;
    long long now = whole(walk, at);
    demand(walk, Py_IS_TYPE(draft, (PyTypeObject *)known->draft));
    PyObject *ledger = get(walk, state, N_ledger), *tally = get(walk, ledger, N_tally);
    PyObject *symbol = get(walk, draft, N_symbol), *side = get(walk, draft, N_side);
    PyObject *kind = get(walk, draft, N_type);
    demand(walk, kind != known->market);
    demand_none(walk, draft, N_quote_size);
    demand_none(walk, draft, N_stop_price);
    demand_truth(walk, draft, N_reduce_only, 0);
    demand_truth(walk, draft, N_protective, 0);
    if (walk->course != GOES) {
        return NULL;
    }
    ask_switches(walk, screen, state, tally, now);
    PyObject *instrument = look(walk, state, N_instruments, symbol);
    PyObject *clearance = look(walk, screen, N__clearances, symbol);
    PyObject *limits = get(walk, screen, N_limits);
    demand(walk, instrument != NULL && clearance != NULL);
    demand(walk, get(walk, clearance, N_instrument) == instrument);
    demand(walk, get(walk, clearance, N_limits) == limits);
    PyObject *size = on_grid(walk, clearance, draft, N_size, Py_False);
    PyObject *price = on_grid(walk, clearance, draft, N_price, Py_True);
    PyObject *types = get(walk, clearance, N__types);
    if (walk->course == GOES) {
        int listed = PySequence_Contains(types, kind);
        if (listed < 0) {
            walk->course = FAILS;
        }
        demand(walk, listed);
    }
    PyObject *touch = touch_of(walk, state, symbol);
    demand(walk, touch != NULL && PyTuple_Check(touch) && PyTuple_GET_SIZE(touch) == 3);
    if (walk->course != GOES) {
        return NULL;
    }
    int buys = side == known->buy;
    double best = real(walk, PyTuple_GET_ITEM(touch, buys ? 1 : 0));
    long long age = now - whole(walk, PyTuple_GET_ITEM(touch, 2));
    demand(walk, age < EXACT && age > -EXACT && (double)age <= get_real(walk, clearance, N__age));
    ask_market(walk, clearance, state, symbol, now);
    PyObject *notional = walk->course == GOES ? hold(walk, PyNumber_Multiply(size, price)) : NULL;
    ask_worth(walk, clearance, size, notional);
    ask_collar(walk, clearance, price, best, buys);
    ask_room(walk, clearance, state, ledger, tally, symbol, size, buys);
    ask_loss(walk, clearance, state, instrument);
    ask_funds(walk, clearance, state, tally, instrument, buys ? notional : size, buys);
    ask_lately(walk, get(walk, screen, N__lately), limits, draft, symbol, side, now);
    if (walk->course != GOES || walk->only_asks) {
        return NULL;
    }
    put(walk, screen, N__touches, symbol, touch);
    return walk->course != GOES
               ? NULL
               : approve(walk, screen, draft, ledger, tally, size, price, at, now);
}

static PyObject *
judged(PyObject *module, PyObject *const *arguments, Py_ssize_t count, int only_asks)
{
    Walk walk = {PyModule_GetState(module), GOES, only_asks, 0, {NULL}};
    if (count != 4 || walk.known->draft == NULL) {
        PyErr_SetString(PyExc_TypeError,
                        "gate: expected a screen, a draft, a state and a time, after `know`");
        return NULL;
    }
    PyObject *order = admitted(&walk, arguments[0], arguments[1], arguments[2], arguments[3]);
    PyObject *answer = only_asks ? (walk.course == GOES ? Py_True : Py_False)
                                 : (order == NULL ? Py_None : order);
    answer = walk.course == FAILS ? NULL : Py_NewRef(answer);
    let_go(&walk, 0);
    return answer;
}

static PyObject *
quick(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    return judged(module, arguments, count, 0);
}

static PyObject *
would(PyObject *module, PyObject *const *arguments, Py_ssize_t count)
{
    return judged(module, arguments, count, 1);
}

/* ── the module ────────────────────────────────────────────────────────────────────────────── */

enum { TAUGHT = 11 };
#define TAUGHT_OF(known)                                                                         \
    &(known)->draft, &(known)->order, &(known)->tracked, &(known)->share, &(known)->deque,       \
        &(known)->market, &(known)->buy, &(known)->ours, &(known)->new, &(known)->zero,          \
        &(known)->add

static PyObject *
know(PyObject *module, PyObject *arguments)
{
    Known *known = PyModule_GetState(module);
    PyObject **place[TAUGHT] = {TAUGHT_OF(known)}, *told[TAUGHT];
    double margin;
    long long drift_ppm, second;
    if (!PyArg_ParseTuple(arguments, "OOOOOOOOOOOdLL:know", &told[0], &told[1], &told[2], &told[3],
                          &told[4], &told[5], &told[6], &told[7], &told[8], &told[9], &told[10],
                          &margin, &drift_ppm, &second)) {
        return NULL;
    }
    if (!PyType_Check(told[0])) {
        PyErr_SetString(PyExc_TypeError, "know: expected a type of drafts first");
        return NULL;
    }
    for (int number = 0; number < TAUGHT; number++) {
        Py_XSETREF(*place[number], Py_NewRef(told[number]));
    }
    known->margin = margin;
    known->drift_ppm = drift_ppm;
    known->second = second;
    Py_RETURN_NONE;
}

static int
set_up(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    for (int number = 0; number < COUNT; number++) {
        known->name[number] = PyUnicode_InternFromString(SPELT[number]);
        if (known->name[number] == NULL) {
            return -1;
        }
    }
    return PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE);
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        PyObject **place[TAUGHT] = {TAUGHT_OF(known)};
        for (int number = 0; number < TAUGHT; number++) {
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
        PyObject **place[TAUGHT] = {TAUGHT_OF(known)};
        for (int number = 0; number < TAUGHT; number++) {
            Py_CLEAR(*place[number]);
        }
        for (int number = 0; number < COUNT; number++) {
            Py_CLEAR(known->name[number]);
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
    {"quick", (PyCFunction)(void (*)(void))quick, METH_FASTCALL,
     "quick(screen, draft, state, now): the order that is admitted, or None."},
    {"would", (PyCFunction)(void (*)(void))would, METH_FASTCALL,
     "would(screen, draft, state, now): whether `quick` would give one; nothing is changed."},
    {"know", know, METH_VARARGS, "know(what orders are made of, as `clearance.known_by` says it)."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_gate",
    .m_doc = "The compiled twin of the gate's short way.",
    .m_size = sizeof(Known),
    .m_methods = methods,
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__gate(void)
{
    return PyModuleDef_Init(&module);
}
