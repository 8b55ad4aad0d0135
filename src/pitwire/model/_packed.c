/* The compiled twin of `PackedLevels` in packed.py: the same answers, no other.
 *
 * Levels lie side by side, as the doubles that they are; a level is made when it is read. Whoever
 * reads a frame in C makes them through `maker`, and fills them before anybody else sees them.
 */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stddef.h>

#ifndef PITWIRE_SOURCE
#define PITWIRE_SOURCE "" /* built by hand: nobody can tell from what */
#endif

typedef struct {
    double price;
    double size;
} Level;

typedef struct {
    PyObject_VAR_HEAD
    Level levels[];
} Packed;

static PyObject *
pair_of(const Level *level)
{
    PyObject *price = PyFloat_FromDouble(level->price), *size = PyFloat_FromDouble(level->size);
    PyObject *pair = price != NULL && size != NULL ? PyTuple_New(2) : NULL;
    if (pair == NULL) {
        Py_XDECREF(price);
        Py_XDECREF(size);
        return NULL;
    }
    PyTuple_SET_ITEM(pair, 0, price);
    PyTuple_SET_ITEM(pair, 1, size);
    return pair;
}

static PyObject *
packed_tuple(Packed *self)
{
    PyObject *found = PyTuple_New(Py_SIZE(self));
    for (Py_ssize_t at = 0; found != NULL && at < Py_SIZE(self); at++) {
        PyObject *pair = pair_of(&self->levels[at]);
        if (pair == NULL) {
            Py_CLEAR(found);
        }
        else {
            PyTuple_SET_ITEM(found, at, pair);
        }
    }
    return found;
}

static Py_ssize_t
packed_len(Packed *self)
{
    return Py_SIZE(self);
}

static PyObject *
packed_item(Packed *self, Py_ssize_t at)
{
    if (at < 0 || at >= Py_SIZE(self)) {
        PyErr_SetString(PyExc_IndexError, "tuple index out of range");
        return NULL;
    }
    return pair_of(&self->levels[at]);
}

static PyObject *
packed_subscript(Packed *self, PyObject *key)
{
    if (PyIndex_Check(key)) {
        Py_ssize_t at = PyNumber_AsSsize_t(key, PyExc_IndexError);
        if (at == -1 && PyErr_Occurred()) {
            return NULL;
        }
        return packed_item(self, at < 0 ? at + Py_SIZE(self) : at);
    }
    PyObject *all = packed_tuple(self), *found = NULL;
    if (all != NULL) {
        found = PyObject_GetItem(all, key);
        Py_DECREF(all);
    }
    return found;
}

/* The tuple of these levels, or of what is one already, whatever its type adds; NULL without an
 * error of any other. */
static PyObject *
as_tuple(PyTypeObject *type, PyObject *other)
{
    if (Py_IS_TYPE(other, type)) {
        return packed_tuple((Packed *)other);
    }
    return PyTuple_Check(other) ? PySequence_Tuple(other) : NULL;
}

/* By their numbers, as tuples of them are equal; none is a NaN. */
static int
are_equal(const Packed *one, const Packed *other)
{
    int equal = Py_SIZE(one) == Py_SIZE(other);
    for (Py_ssize_t at = 0; equal && at < Py_SIZE(one); at++) {
        equal = one->levels[at].price == other->levels[at].price &&
                one->levels[at].size == other->levels[at].size;
    }
    return equal;
}

static PyObject *
packed_compare(PyObject *self, PyObject *other, int how)
{
    if (how != Py_EQ && how != Py_NE) {
        Py_RETURN_NOTIMPLEMENTED;
    }
    if (Py_IS_TYPE(other, Py_TYPE(self))) {
        return PyBool_FromLong(are_equal((Packed *)self, (Packed *)other) == (how == Py_EQ));
    }
    PyObject *one = packed_tuple((Packed *)self), *found = NULL;
    PyObject *another = one == NULL ? NULL : as_tuple(Py_TYPE(self), other);
    if (another != NULL) {
        found = PyObject_RichCompare(one, another, how);
    }
    else if (!PyErr_Occurred()) {
        found = Py_NewRef(Py_NotImplemented);
    }
    Py_XDECREF(one);
    Py_XDECREF(another);
    return found;
}

static Py_hash_t
packed_hash(Packed *self)
{
    PyObject *all = packed_tuple(self);
    if (all == NULL) {
        return -1;
    }
    Py_hash_t found = PyObject_Hash(all);
    Py_DECREF(all);
    return found;
}

static PyObject *
packed_repr(Packed *self)
{
    PyObject *all = packed_tuple(self), *found = NULL;
    if (all != NULL) {
        found = PyObject_Repr(all);
        Py_DECREF(all);
    }
    return found;
}

static PyObject *
packed_add(PyObject *left, PyObject *right)
{
    /* Either may be ours. A subtype there is none, and nothing else has this very function. */
    PyNumberMethods *numbers = Py_TYPE(left)->tp_as_number;
    int first = numbers != NULL && numbers->nb_add == (binaryfunc)packed_add;
    PyTypeObject *type = Py_TYPE(first ? left : right);
    PyObject *one = as_tuple(type, left), *found = NULL;
    PyObject *other = one == NULL ? NULL : as_tuple(type, right);
    if (other != NULL) {
        found = PySequence_Concat(one, other);
    }
    else if (!PyErr_Occurred()) {
        found = Py_NewRef(Py_NotImplemented);
    }
    Py_XDECREF(one);
    Py_XDECREF(other);
    return found;
}

static PyObject *
packed_iter(Packed *self)
{
    PyObject *all = packed_tuple(self), *found = NULL;
    if (all != NULL) {
        found = PyObject_GetIter(all);
        Py_DECREF(all);
    }
    return found;
}

static PyObject *
packed_reduce(Packed *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *all = packed_tuple(self);
    return all == NULL ? NULL : Py_BuildValue("(O(N))", (PyObject *)&PyTuple_Type, all);
}

static PyObject *
packed_index(Packed *self, PyObject *arguments)
{
    PyObject *all = packed_tuple(self), *method = NULL, *found = NULL;
    if (all != NULL) {
        method = PyObject_GetAttrString(all, "index");
        Py_DECREF(all);
    }
    if (method != NULL) {
        found = PyObject_CallObject(method, arguments);
        Py_DECREF(method);
    }
    return found;
}

static PyObject *
packed_count(Packed *self, PyObject *wanted)
{
    PyObject *all = packed_tuple(self), *found = NULL;
    if (all != NULL) {
        Py_ssize_t count = PySequence_Count(all, wanted);
        found = count < 0 ? NULL : PyLong_FromSsize_t(count);
        Py_DECREF(all);
    }
    return found;
}

/* Doubles side by side, in two columns: how a ladder takes them all in one call. */
static int
packed_buffer(Packed *self, Py_buffer *view, int flags)
{
    static Py_ssize_t strides[] = {sizeof(Level), sizeof(double)};
    if ((flags & PyBUF_WRITABLE) || (flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS) {
        view->obj = NULL;
        PyErr_SetString(PyExc_BufferError, "levels: read only, one level after the other");
        return -1;
    }
    Py_ssize_t *shape = NULL;
    if (flags & PyBUF_ND) {
        shape = PyMem_New(Py_ssize_t, 2);
        if (shape == NULL) {
            view->obj = NULL;
            PyErr_NoMemory();
            return -1;
        }
        shape[0] = Py_SIZE(self);
        shape[1] = 2;
    }
    *view = (Py_buffer){
        .buf = self->levels,
        .obj = Py_NewRef((PyObject *)self),
        .len = Py_SIZE(self) * (Py_ssize_t)sizeof(Level),
        .itemsize = sizeof(double),
        .readonly = 1,
        .ndim = shape == NULL ? 1 : 2,
        .format = (flags & PyBUF_FORMAT) ? "d" : NULL,
        .shape = shape,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? strides : NULL,
        .internal = shape,
    };
    return 0;
}

static void
packed_release(Packed *Py_UNUSED(self), Py_buffer *view)
{
    PyMem_Free(view->internal);
}

static void
packed_dealloc(Packed *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef packed_methods[] = {
    {"__reduce__", (PyCFunction)packed_reduce, METH_NOARGS, "As the tuple of its levels."},
    {"index", (PyCFunction)packed_index, METH_VARARGS, "Where a level is first, as of a tuple."},
    {"count", (PyCFunction)packed_count, METH_O, "How often a level is there, as of a tuple."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot packed_slots[] = {
    {Py_tp_doc, "Levels of which none is an object before it is read; see `pitwire.model.packed`."},
    {Py_tp_dealloc, packed_dealloc},
    {Py_tp_methods, packed_methods},
    {Py_tp_iter, packed_iter},
    {Py_tp_richcompare, packed_compare},
    {Py_tp_hash, packed_hash},
    {Py_tp_repr, packed_repr},
    {Py_sq_length, packed_len},
    {Py_sq_item, packed_item},
    {Py_mp_length, packed_len},
    {Py_mp_subscript, packed_subscript},
    {Py_nb_add, packed_add},
    {Py_bf_getbuffer, packed_buffer},
    {Py_bf_releasebuffer, packed_release},
    {0, NULL},
};

static PyType_Spec packed_spec = {
    .name = "pitwire.model._packed.PackedLevels",
    .basicsize = offsetof(Packed, levels),
    .itemsize = sizeof(Level),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION |
             Py_TPFLAGS_SEQUENCE,
    .slots = packed_slots,
};

/* What `maker` holds: new levels of this many, and where their numbers go, price and size in turn.
 * NULL with an error where there is no memory. */
typedef PyObject *(*Make)(PyTypeObject *type, Py_ssize_t count, double **numbers);

static PyObject *
make(PyTypeObject *type, Py_ssize_t count, double **numbers)
{
    Packed *made = PyObject_NewVar(Packed, type, count);
    if (made != NULL) {
        *numbers = &made->levels[0].price;
    }
    return (PyObject *)made;
}

static int
set_up(PyObject *module)
{
    static const Make maker = make;
    PyObject *type = PyType_FromModuleAndSpec(module, &packed_spec, NULL);
    PyObject *capsule = PyCapsule_New((void *)&maker, "pitwire.model._packed.maker", NULL);
    int failed = type == NULL || capsule == NULL ||
                 PyModule_AddType(module, (PyTypeObject *)type) < 0 ||
                 PyModule_AddObjectRef(module, "maker", capsule) < 0 ||
                 PyModule_AddStringConstant(module, "source", PITWIRE_SOURCE) < 0;
    Py_XDECREF(type);
    Py_XDECREF(capsule);
    return failed ? -1 : 0;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, set_up},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_packed",
    .m_doc = "The compiled twin of pitwire.model.packed.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__packed(void)
{
    return PyModuleDef_Init(&module);
}
