/* The compiled writer of orders: what an order's bytes are, signed with HMAC where that is asked.
 *
 * A form is an order's text with holes for what changes from one to the next; it is filled here as
 * encode.py fills it. Of an order whose numbers are not written as nearly all are (an exponent, a
 * sign, a letter that no id may have) it says None, and encode.py decides, or refuses.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define INSTRUCTIONS 1 /* a machine may have some for SHA-256; it is asked when it runs */
#include <cpuid.h>
#include <immintrin.h>
#else
#define INSTRUCTIONS 0
#endif

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

enum { BLOCK = 64, DIGEST = 32, HOLES = 8, LONGEST_ID = 36, ROOM = 2048, MILLISECOND = 1000000 };
/* `ROOM`: bytes of what is signed; of what is longer encode.py makes the frame. */

/* ── SHA-256 (FIPS 180-4) ──────────────────────────────────────────────────────────────────── */

static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};
static const uint32_t START[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                  0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

typedef struct {
    uint32_t word[8];
} Sum;

#define TURN(value, by) (((value) >> (by)) | ((value) << (32 - (by))))

static uint32_t
word_at(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void
take_block_plainly(Sum *sum, const unsigned char *block)
{
    uint32_t w[64], v[8];
    for (int t = 0; t < 16; t++) {
        w[t] = word_at(block + 4 * t);
    }
    for (int t = 16; t < 64; t++) {
        uint32_t one = w[t - 15], two = w[t - 2];
        w[t] = w[t - 16] + w[t - 7] + (TURN(one, 7) ^ TURN(one, 18) ^ (one >> 3)) +
               (TURN(two, 17) ^ TURN(two, 19) ^ (two >> 10));
    }
    memcpy(v, sum->word, sizeof v);
    for (int t = 0; t < 64; t++) {
        uint32_t e = v[4], a = v[0];
        uint32_t first = v[7] + (TURN(e, 6) ^ TURN(e, 11) ^ TURN(e, 25)) +
                         ((e & v[5]) ^ (~e & v[6])) + ROUND[t] + w[t];
        uint32_t second = (TURN(a, 2) ^ TURN(a, 13) ^ TURN(a, 22)) +
                          ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        v[7] = v[6];
        v[6] = v[5];
        v[5] = e;
        v[4] = v[3] + first;
        v[3] = v[2];
        v[2] = v[1];
        v[1] = a;
        v[0] = first + second;
    }
    for (int at = 0; at < 8; at++) {
        sum->word[at] += v[at];
    }
}

#if INSTRUCTIONS
/* The same by the machine's own instructions, four words and four turns at a time. They want the
 * state as a, b, e, f and c, d, g, h, the first of each on top. */
__attribute__((target("sha,sse4.1,ssse3"))) static void
take_block_quickly(Sum *sum, const unsigned char *block)
{
    const __m128i order = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    uint32_t *v = sum->word;
    const __m128i abef = _mm_set_epi32((int)v[0], (int)v[1], (int)v[4], (int)v[5]);
    const __m128i cdgh = _mm_set_epi32((int)v[2], (int)v[3], (int)v[6], (int)v[7]);
    __m128i upper = abef, lower = cdgh, next, w[4];
#pragma GCC unroll 16
    for (int turn = 0; turn < 16; turn++) {
        __m128i *now = &w[turn % 4];
        if (turn < 4) {
            *now = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)block + turn), order);
        } else {
            __m128i before = w[(turn + 3) % 4];
            __m128i sevenths = _mm_alignr_epi8(before, w[(turn + 2) % 4], 4);
            __m128i first = _mm_add_epi32(_mm_sha256msg1_epu32(*now, w[(turn + 1) % 4]), sevenths);
            *now = _mm_sha256msg2_epu32(first, before);
        }
        __m128i added = _mm_loadu_si128((const __m128i *)(ROUND + 4 * turn));
        added = _mm_add_epi32(added, *now);
        next = _mm_sha256rnds2_epu32(lower, upper, added);
        lower = upper;
        upper = next;
        next = _mm_sha256rnds2_epu32(lower, upper, _mm_shuffle_epi32(added, 0x0e));
        lower = upper;
        upper = next;
    }
    upper = _mm_add_epi32(upper, abef);
    lower = _mm_add_epi32(lower, cdgh);
    v[0] = (uint32_t)_mm_extract_epi32(upper, 3);
    v[1] = (uint32_t)_mm_extract_epi32(upper, 2);
    v[4] = (uint32_t)_mm_extract_epi32(upper, 1);
    v[5] = (uint32_t)_mm_extract_epi32(upper, 0);
    v[2] = (uint32_t)_mm_extract_epi32(lower, 3);
    v[3] = (uint32_t)_mm_extract_epi32(lower, 2);
    v[6] = (uint32_t)_mm_extract_epi32(lower, 1);
    v[7] = (uint32_t)_mm_extract_epi32(lower, 0);
}

static int
has_instructions(void)
{
    unsigned int a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSSE3) || !(c & bit_SSE4_1)) {
        return 0;
    }
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}
#else
static int
has_instructions(void)
{
    return 0;
}
#endif

/* The way of this machine, found out once, when the module is made. */
static void (*take_block)(Sum *, const unsigned char *) = take_block_plainly;

static void
choose_way(int quickly)
{
#if INSTRUCTIONS
    take_block = quickly ? take_block_quickly : take_block_plainly;
#else
    (void)quickly;
#endif
}

/* The end of a text of which `done` bytes, whole blocks, are summed up already. */
static void
finish(Sum sum, size_t done, const char *rest, size_t size, unsigned char *digest)
{
    unsigned char last[2 * BLOCK] = {0};
    uint64_t bits = (uint64_t)(done + size) * 8;
    for (; size >= BLOCK; rest += BLOCK, size -= BLOCK) {
        take_block(&sum, (const unsigned char *)rest);
    }
    memcpy(last, rest, size);
    last[size] = 0x80;
    size_t whole = size < BLOCK - 8 ? BLOCK : 2 * BLOCK;
    for (int at = 0; at < 8; at++) {
        last[whole - 1 - at] = (unsigned char)(bits >> (8 * at));
    }
    for (size_t at = 0; at < whole; at += BLOCK) {
        take_block(&sum, last + at);
    }
    for (int at = 0; at < DIGEST; at++) {
        digest[at] = (unsigned char)(sum.word[at / 4] >> (24 - 8 * (at % 4)));
    }
}

/* ── forms ─────────────────────────────────────────────────────────────────────────────────── */

typedef struct {
    PyTypeObject *form;
    PyObject *decimal;
} Known;

typedef struct {
    char kind; /* `i` a client id, `d` a decimal, `t` the time, `n` a whole number */
    PyObject *field;
    PyObject *text, *signed_text; /* what stands before it in the frame, and in what is signed */
} Hole;

typedef struct {
    PyObject_HEAD
    Py_ssize_t count;
    Hole hole[HOLES];
    PyObject *start, *middle, *tail; /* before the request's id; before the signature; the end */
    PyObject *signed_end;            /* behind the last hole of what is signed; NULL: unsigned */
    PyObject *decimal;
    Sum inner, outer;
} Form;

typedef struct {
    const char *text;
    Py_ssize_t size;
} Piece;

/* The letters of a plain ASCII text, which must outlive the piece; 0 where it is none. */
static int
letters(PyObject *text, Piece *piece)
{
    if (!PyUnicode_CheckExact(text) || !PyUnicode_IS_COMPACT_ASCII(text)) {
        return 0;
    }
    piece->text = (const char *)PyUnicode_1BYTE_DATA(text);
    piece->size = PyUnicode_GET_LENGTH(text);
    return 1;
}

static int
is_client_id(const Piece *piece)
{
    if (piece->size < 1 || piece->size > LONGEST_ID) {
        return 0;
    }
    for (Py_ssize_t at = 0; at < piece->size; at++) {
        char one = piece->text[at];
        if (!((one >= '0' && one <= '9') || (one >= 'a' && one <= 'z') ||
              (one >= 'A' && one <= 'Z') || one == '-' || one == '_')) {
            return 0;
        }
    }
    return 1;
}

/* Digits, one point among them at most, and not zero. */
static int
is_amount(const Piece *piece)
{
    int points = 0, digits = 0, worth = 0;
    for (Py_ssize_t at = 0; at < piece->size; at++) {
        char one = piece->text[at];
        if (one == '.') {
            points++;
        }
        else if (one >= '0' && one <= '9') {
            digits++;
            worth |= one != '0';
        }
        else {
            return 0;
        }
    }
    return points <= 1 && digits > 0 && worth;
}

/* A new text for this hole; NULL without an error where encode.py is to decide. */
static PyObject *
text_for(const Form *form, const Hole *hole, PyObject *order, long long now, Piece *piece)
{
    if (hole->kind == 't') {
        PyObject *text = PyUnicode_FromFormat("%lld", now / MILLISECOND);
        return text != NULL && letters(text, piece) ? text : NULL;
    }
    PyObject *value = PyObject_GetAttr(order, hole->field), *text = NULL;
    if (value == NULL) {
        return NULL;
    }
    int fits;
    if (hole->kind == 'i') {
        text = Py_NewRef(value);
        fits = letters(text, piece) && is_client_id(piece);
    }
    else if (hole->kind == 'd') {
        fits = Py_IS_TYPE(value, (PyTypeObject *)form->decimal) &&
               (text = PyObject_Str(value)) != NULL && letters(text, piece) && is_amount(piece);
    }
    else {
        fits = PyLong_CheckExact(value) && (text = PyObject_Str(value)) != NULL &&
               letters(text, piece) && is_amount(piece);
    }
    Py_DECREF(value);
    if (!fits) {
        Py_CLEAR(text);
    }
    return text;
}

static char *
put(char *at, const char *text, Py_ssize_t size)
{
    memcpy(at, text, (size_t)size);
    return at + size;
}

static char *
put_bytes(char *at, PyObject *bytes)
{
    return put(at, PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes));
}

/* Signs what the pieces make of the form, in 64 hexadecimal digits; 0 where it is too long. */
static int
sign(const Form *form, const Piece *pieces, char *signature)
{
    static const char HEX[] = "0123456789abcdef";
    char payload[ROOM], *at = payload;
    unsigned char digest[DIGEST];
    Py_ssize_t size = PyBytes_GET_SIZE(form->signed_end);
    for (Py_ssize_t number = 0; number < form->count; number++) {
        size += PyBytes_GET_SIZE(form->hole[number].signed_text) + pieces[number].size;
    }
    if (size > ROOM) {
        return 0;
    }
    for (Py_ssize_t number = 0; number < form->count; number++) {
        at = put_bytes(at, form->hole[number].signed_text);
        at = put(at, pieces[number].text, pieces[number].size);
    }
    put_bytes(at, form->signed_end);
    finish(form->inner, BLOCK, payload, (size_t)size, digest);
    finish(form->outer, BLOCK, (const char *)digest, DIGEST, digest);
    for (int number = 0; number < DIGEST; number++) {
        signature[2 * number] = HEX[digest[number] >> 4];
        signature[2 * number + 1] = HEX[digest[number] & 15];
    }
    return 1;
}

/* The frame of these pieces; NULL without an error where it is too long to be signed here. */
static PyObject *
frame_of(const Form *form, const Piece *id, const Piece *pieces)
{
    char signature[2 * DIGEST];
    Py_ssize_t size = PyBytes_GET_SIZE(form->start) + id->size + PyBytes_GET_SIZE(form->middle) +
                      PyBytes_GET_SIZE(form->tail);
    if (form->signed_end != NULL) {
        if (!sign(form, pieces, signature)) {
            return NULL;
        }
        size += (Py_ssize_t)sizeof signature;
    }
    for (Py_ssize_t number = 0; number < form->count; number++) {
        size += PyBytes_GET_SIZE(form->hole[number].text) + pieces[number].size;
    }
    PyObject *frame = PyBytes_FromStringAndSize(NULL, size);
    if (frame == NULL) {
        return NULL;
    }
    char *at = put_bytes(PyBytes_AS_STRING(frame), form->start);
    at = put(at, id->text, id->size);
    for (Py_ssize_t number = 0; number < form->count; number++) {
        at = put_bytes(at, form->hole[number].text);
        at = put(at, pieces[number].text, pieces[number].size);
    }
    at = put_bytes(at, form->middle);
    if (form->signed_end != NULL) {
        at = put(at, signature, sizeof signature);
    }
    put_bytes(at, form->tail);
    return frame;
}

static PyObject *
form_fill(Form *form, PyObject *const *arguments, Py_ssize_t count)
{
    Piece id, pieces[HOLES];
    PyObject *texts[HOLES], *frame = NULL;
    if (count != 3 || !PyLong_Check(arguments[2])) {
        PyErr_SetString(PyExc_TypeError, "fill: expected an order, a request id and a time");
        return NULL;
    }
    int over;
    long long now = PyLong_AsLongLongAndOverflow(arguments[2], &over);
    if (over || now < 0 || !letters(arguments[1], &id)) {
        Py_RETURN_NONE;
    }
    Py_ssize_t whole = 0;
    while (whole < form->count) {
        texts[whole] = text_for(form, &form->hole[whole], arguments[0], now, &pieces[whole]);
        if (texts[whole] == NULL) {
            break;
        }
        whole++;
    }
    if (whole == form->count) {
        frame = frame_of(form, &id, pieces);
    }
    while (whole) {
        Py_DECREF(texts[--whole]);
    }
    if (frame == NULL && !PyErr_Occurred()) {
        Py_RETURN_NONE;
    }
    return frame;
}

/* ── making one ────────────────────────────────────────────────────────────────────────────── */

static int
form_traverse(Form *form, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(form));
    Py_VISIT(form->decimal);
    return 0;
}

static int
form_clear(Form *form)
{
    for (Py_ssize_t at = 0; at < HOLES; at++) {
        Py_CLEAR(form->hole[at].field);
        Py_CLEAR(form->hole[at].text);
        Py_CLEAR(form->hole[at].signed_text);
    }
    form->count = 0;
    Py_CLEAR(form->start);
    Py_CLEAR(form->middle);
    Py_CLEAR(form->tail);
    Py_CLEAR(form->signed_end);
    Py_CLEAR(form->decimal);
    return 0;
}

static void
form_free(Form *form)
{
    PyTypeObject *type = Py_TYPE(form);
    PyObject_GC_UnTrack(form);
    form_clear(form);
    memset(&form->inner, 0, 2 * sizeof(Sum));
    type->tp_free(form);
    Py_DECREF(type);
}

static int
add_hole(Form *form, PyObject *told, int is_signed)
{
    PyObject *field, *text, *signed_text;
    int kind;
    if (form->count == HOLES) {
        PyErr_SetString(PyExc_ValueError, "form: too many holes");
        return 0;
    }
    if (!PyArg_ParseTuple(told, "CUSS:hole", &kind, &field, &text, &signed_text)) {
        return 0;
    }
    if (kind != 'i' && kind != 'd' && kind != 't' && kind != 'n') {
        PyErr_SetString(PyExc_ValueError, "form: a hole of no known kind");
        return 0;
    }
    Hole *hole = &form->hole[form->count++];
    hole->kind = (char)kind;
    hole->field = Py_NewRef(field);
    PyUnicode_InternInPlace(&hole->field);
    hole->text = Py_NewRef(text);
    hole->signed_text = is_signed ? Py_NewRef(signed_text) : NULL;
    return 1;
}

static PyObject *
form_new(PyTypeObject *type, PyObject *arguments, PyObject *named)
{
    PyObject *start, *holes, *middle, *tail, *signed_end, *key;
    const Known *known = PyType_GetModuleState(type);
    if (named != NULL && PyDict_GET_SIZE(named)) {
        PyErr_SetString(PyExc_TypeError, "form: expected no names");
        return NULL;
    }
    if (!PyArg_ParseTuple(arguments, "SO!SSOO:Form", &start, &PyTuple_Type, &holes, &middle, &tail,
                          &signed_end, &key)) {
        return NULL;
    }
    int is_signed = key != Py_None;
    if (is_signed && !(PyBytes_CheckExact(key) && PyBytes_GET_SIZE(key) == BLOCK &&
                       PyBytes_CheckExact(signed_end))) {
        PyErr_SetString(PyExc_TypeError, "form: expected a key of 64 bytes and what it signs");
        return NULL;
    }
    Form *form = (Form *)type->tp_alloc(type, 0);
    if (form == NULL) {
        return NULL;
    }
    form->decimal = Py_NewRef(known->decimal);
    form->start = Py_NewRef(start);
    form->middle = Py_NewRef(middle);
    form->tail = Py_NewRef(tail);
    if (is_signed) {
        unsigned char pad[BLOCK];
        const unsigned char *secret = (const unsigned char *)PyBytes_AS_STRING(key);
        form->signed_end = Py_NewRef(signed_end);
        memcpy(form->inner.word, START, sizeof START);
        memcpy(form->outer.word, START, sizeof START);
        for (int at = 0; at < BLOCK; at++) {
            pad[at] = secret[at] ^ 0x36;
        }
        take_block(&form->inner, pad);
        for (int at = 0; at < BLOCK; at++) {
            pad[at] = secret[at] ^ 0x5c;
        }
        take_block(&form->outer, pad);
    }
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(holes); at++) {
        if (!add_hole(form, PyTuple_GET_ITEM(holes, at), is_signed)) {
            Py_DECREF(form);
            return NULL;
        }
    }
    return (PyObject *)form;
}

/* For whoever holds the two ways beside each other: which is taken from now on. */
static PyObject *
module_hash_quickly(PyObject *Py_UNUSED(module), PyObject *wanted)
{
    int quickly = PyObject_IsTrue(wanted);
    if (quickly < 0) {
        return NULL;
    }
    quickly = quickly && has_instructions();
    choose_way(quickly);
    return PyBool_FromLong(quickly);
}

static PyMethodDef module_methods[] = {
    {"hash_quickly", module_hash_quickly, METH_O,
     "hash_quickly(wanted): sum by the machine's instructions, where it has them; whether it does."},
    {NULL, NULL, 0, NULL},
};

static PyMethodDef form_methods[] = {
    {"fill", (PyCFunction)(void (*)(void))form_fill, METH_FASTCALL,
     "fill(order, request id, time in ns): the frame, or None."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot form_slots[] = {
    {Py_tp_doc, "Form(start, holes, middle, tail, signed end, key): an order but its numbers."},
    {Py_tp_new, form_new},
    {Py_tp_dealloc, form_free},
    {Py_tp_traverse, form_traverse},
    {Py_tp_clear, form_clear},
    {Py_tp_methods, form_methods},
    {0, NULL},
};

static PyType_Spec form_spec = {
    .name = "pitwire.venues.binance._writing.Form",
    .basicsize = sizeof(Form),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = form_slots,
};

static int
set_up(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    PyObject *decimal = PyImport_ImportModule("decimal");
    if (decimal == NULL) {
        return -1;
    }
    choose_way(has_instructions());
    known->decimal = PyObject_GetAttrString(decimal, "Decimal");
    Py_DECREF(decimal);
    known->form = (PyTypeObject *)PyType_FromModuleAndSpec(module, &form_spec, NULL);
    if (known->decimal == NULL || known->form == NULL) {
        return -1;
    }
    return PyModule_AddType(module, known->form) < 0
               ? -1
               : PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE);
}

static int
traverse(PyObject *module, visitproc visit, void *arg)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        Py_VISIT(known->form);
        Py_VISIT(known->decimal);
    }
    return 0;
}

static int
clear(PyObject *module)
{
    Known *known = PyModule_GetState(module);
    if (known != NULL) {
        Py_CLEAR(known->form);
        Py_CLEAR(known->decimal);
    }
    return 0;
}

static void
release(void *module)
{
    clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_writing",
    .m_doc = "The compiled writer of orders.",
    .m_size = sizeof(Known),
    .m_methods = module_methods,
    .m_slots = module_slots,
    .m_traverse = traverse,
    .m_clear = clear,
    .m_free = release,
};

PyMODINIT_FUNC
PyInit__writing(void)
{
    return PyModuleDef_Init(&module);
}
