/* Runs programs: the compiled renderer, which makes the same bytes as the one in numpy.

   mockdata/render/native.py packs a program: an array of 64-bit words, and tables, which are bytes
   objects. mockdata/render/program.py says what its steps mean. Records are rendered a tile at a
   time: each step computes a register for the whole tile, then the items of each output are put. A
   tile's registers stay in the core's first cache, and the loops are short enough to be pipelined.

   Why no program reads or writes where it must not:

   - Everything is checked once, when a renderer is made (_door.h). A program that is not whole, or
     does not fit its tables, is a ValueError.
   - A register is written by one step only, and read after that. `bound` is the largest word that
     it can hold; each step's bound follows from those of what it reads. A row of a table is read
     out of a register whose bound is below the table's rows. Registers begin as zeros, which are
     within every bound, so one that is not computed when lines are measured is in bounds, too.
   - Tables are bytes objects: they do not change, and they live as long as the renderer. No
     more is read of them than a text has, or its slot.
   - The longest line is the sum of its items' longest texts. An output has room for `capacity` of
     them and SLACK more: a text begins where those before it end, and of a text in a slot, up to
     SLACK bytes more than it has are written.
   - All arithmetic is unsigned. Shifts are by less than the word's bits: see where they are made. */

#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a little-endian machine with 128-bit integers is needed: numpy renders on others"
#endif

typedef uint64_t u64;
typedef unsigned __int128 u128;
typedef signed char Chars __attribute__((vector_size(16)));
typedef u64 Pair __attribute__((vector_size(16)));

enum { TILE = 128, SLACK = 32, LINE = 64, VERSION = 1, HEADER = 5, MOST_WIDTH = 1 << 24,
       MOST_REGISTERS = 1 << 20 };

/* The constants of permute.py. */
static const u64 MIX_1 = 0xBF58476D1CE4E5B9, MIX_2 = 0x94D049BB133111EB;
static const u64 FILL = 0xFF51AFD7ED558CCD, DRAW = 0xC4CEB9FE1A85EC53;
static const u64 ROUND_1 = 0x9E3779B97F4A7C15, ROUND_2 = 0xD6E8FEB86659FD93;
static const u64 INDICES = (u64)1 << 40, FRACTION = ((u64)1 << 48) - 1, HALF_WORDS = (u64)1 << 63;

/* FIXED: `rows` texts of `width` bytes. SLOTS: texts in slots of `width` bytes, 16 or 32, the last
   of which is the text's length. LONG: texts between `offsets`. BUCKETS: an alias sampler's, 2 to
   the power of `width`; `rows` is the highest row in them and one more, `pairs` as in alias.py. */
enum { FIXED, SLOTS, LONG, BUCKETS };

typedef struct {
    u64 kind, rows, width, pairs;
    u64 shortest, longest;
    const unsigned char *texts;
    const uint32_t *offsets;
    const u64 *buckets;
    unsigned char *lengths; /* of SLOTS: read for every record, and together they fit the cache */
    unsigned char *luhn;   /* of each row, see luhn_of: behind an even number of digits, then odd */
    int parity;            /* of all texts' digits, or -1 */
} Table;

enum { DISTINCT, PERMUTE, FIRST_WORD, WORD, PICK, DRAWN, DIGIT, WIDE, SCATTER, JOIN, SPLIT, TWEAK,
       SHIFT, CHECK, STEPS };

/* What divides words below 2**63 by a number, and words below 2**31, if `brief` is not 0, without
   the upper half of a product: see `divider`. */
typedef struct { u64 by, factor, brief; int shift, brief_shift; } Divider;

typedef struct {
    u64 op, measured, count;
    const u64 *w;          /* its operands */
    Divider divider;
    int wraps;             /* SCATTER: whether a number may not be below the size */
} Step;

enum { TEXT, SUFFIX, UUID, NUMBER };

typedef struct {
    u64 kind;
    const u64 *reg;
    const Table *table;
    u64 offset;            /* from the line's start; where that varies, from its end */
    u64 shortest, longest;
    int varies, is_literal, is_wide;
    int where;             /* in lines of several widths: see Places */
    int fits;              /* SLOTS: whether a whole slot ends within the line */
} Item;

typedef struct {
    Item *items;
    u64 count, varies, longest;
    u64 sure;              /* bytes of the items that do not vary */
    u64 head;              /* and of those before the first one that does */
    char *start;
    u64 *ends;
    PyObject *buffer;
    Py_buffer view;
} Output;

typedef struct {
    PyObject_HEAD
    u64 registers, steps_count, tables_count, outputs_count, capacity;
    u64 *words, *values;
    u64 zeros[TILE];       /* the rows of literals */
    Step *steps;
    Table *tables;
    Output *outputs;
    PyObject *blobs;
    void *room;            /* of the values, which begin where a cache line does */
    int busy, is_wide;
} Renderer;

/* Where the texts of a tile begin. ROWS: `stride` apart. FROM_START and FROM_END: `shift` bytes from
   a line's edge. MOVING: at places of their own, which move on behind what is put there. */
enum { ROWS, FROM_START, MOVING, FROM_END };

typedef struct {
    int where;
    char *start, **at;
    char *const *edges;
    u64 stride, count;
    ptrdiff_t shift;
} Places;

static inline __attribute__((always_inline)) char *place(const Places *to, u64 k, u64 width)
{
    if (to->where == ROWS)
        return to->start + k * to->stride;
    if (to->where != MOVING)
        return to->edges[k] + to->shift;
    char *at = to->at[k];
    to->at[k] = at + width;
    return at;
}

#include "_steps.h"
#include "_wide.h"
#include "_lines.h"
#include "_door.h"

/* ---------------------------------------------------------------- The type */

static PyObject *renderer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    char *words;
    Py_ssize_t size, capacity;
    PyObject *program, *blobs;
    int wide = 1;
    static char *names[] = {"program", "tables", "capacity", "wide", NULL};
    /* No "y#": built with 3.13's headers or later, it would not work on 3.12 and earlier. */
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "SO!n|p", names, &program, &PyTuple_Type,
                                     &blobs, &capacity, &wide)
        || PyBytes_AsStringAndSize(program, &words, &size) < 0)
        return NULL;
    if (capacity < 1 || capacity > 1 << 24 || size % 8 || size > 1 << 28) {
        PyErr_SetString(PyExc_ValueError, "a program of whole words, and a capacity, are needed");
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Renderer *self = (Renderer *)alloc(type, 0);
    if (!self)
        return NULL;
    self->capacity = (u64)capacity;
    self->is_wide = wide && is_wide();
    Py_INCREF(blobs);
    self->blobs = blobs;
    self->words = made((u64)size / 8, 8);
    if (!self->words)
        goto no_memory;
    memcpy(self->words, words, (size_t)size);
    Reader in = {self->words, self->words + size / 8, NULL};
    if (read_program(self, &in) < 0)
        goto no_memory;
    u64 total = 0;
    for (u64 k = 0; k < self->outputs_count && !in.problem; k++) {
        total += self->capacity * self->outputs[k].longest;
        need(&in, total < (u64)1 << 40, "lines are too long");
    }
    if (in.problem) {
        PyErr_Format(PyExc_ValueError, "this is no program: %s", in.problem);
        Py_DECREF(self);
        return NULL;
    }
    for (u64 k = 0; k < self->outputs_count; k++)
        if (make_room(self, self->outputs + k) < 0) {
            if (!PyErr_Occurred())
                PyErr_NoMemory();
            Py_DECREF(self);
            return NULL;
        }
    return (PyObject *)self;
no_memory:
    Py_DECREF(self);
    return PyErr_NoMemory();
}

static void renderer_dealloc(Renderer *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    for (u64 k = 0; self->outputs && k < self->outputs_count; k++) {
        Output *output = self->outputs + k;
        if (output->start)
            PyBuffer_Release(&output->view);
        Py_XDECREF(output->buffer);
        PyMem_Free(output->items);
        PyMem_Free(output->ends);
    }
    for (u64 k = 0; self->tables && k < self->tables_count; k++) {
        PyMem_Free(self->tables[k].lengths);
        PyMem_Free(self->tables[k].luhn);
    }
    PyMem_Free(self->words);
    PyMem_Free(self->room);
    PyMem_Free(self->steps);
    PyMem_Free(self->tables);
    PyMem_Free(self->outputs);
    Py_XDECREF(self->blobs);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

/* Reads `start, stop`, and marks the renderer as busy: two threads must not use one at once. */
static int begin(Renderer *self, PyObject *args, u64 *start, u64 *count)
{
    long long first, last;
    if (!PyArg_ParseTuple(args, "LL", &first, &last))
        return -1;
    if (first < 0 || first > last || last > (long long)INDICES
        || last - first > (long long)self->capacity) {
        PyErr_SetString(PyExc_ValueError, "a range of at most the capacity is needed");
        return -1;
    }
    if (self->busy) {
        PyErr_SetString(PyExc_RuntimeError, "another thread is using this renderer");
        return -1;
    }
    *start = (u64)first;
    *count = (u64)(last - first);
    return 0;
}

/* A read-only view of the first bytes of an output. */
static PyObject *view_of(const Output *output, u64 size)
{
    PyObject *whole = PyMemoryView_FromObject(output->buffer);
    if (!whole)
        return NULL;
    PyObject *part = PySequence_GetSlice(whole, 0, (Py_ssize_t)size);
    Py_DECREF(whole);
    PyObject *view = part ? PyObject_CallMethod(part, "toreadonly", NULL) : NULL;
    Py_XDECREF(part);
    return view;
}

static PyObject *renderer_render(Renderer *self, PyObject *args)
{
    u64 start, count;
    if (begin(self, args, &start, &count) < 0)
        return NULL;
    char **ends = made(self->outputs_count, sizeof *ends);
    if (!ends)
        return PyErr_NoMemory();
    self->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    render(self, start, count, ends);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyObject *list = PyList_New((Py_ssize_t)self->outputs_count);
    for (u64 k = 0; list && k < self->outputs_count; k++) {
        PyObject *view = view_of(self->outputs + k, (u64)(ends[k] - self->outputs[k].start));
        if (!view || PyList_SetItem(list, (Py_ssize_t)k, view) < 0)
            Py_CLEAR(list);
    }
    PyMem_Free(ends);
    return list;
}

static PyObject *renderer_measure(Renderer *self, PyObject *args)
{
    u64 start, count;
    if (begin(self, args, &start, &count) < 0)
        return NULL;
    u64 *sizes = made(self->outputs_count, sizeof *sizes);
    if (!sizes)
        return PyErr_NoMemory();
    self->busy = 1;
    Py_BEGIN_ALLOW_THREADS
    measure(self, start, count, sizes);
    Py_END_ALLOW_THREADS
    self->busy = 0;
    PyObject *list = PyList_New((Py_ssize_t)self->outputs_count);
    for (u64 k = 0; list && k < self->outputs_count; k++) {
        PyObject *size = PyLong_FromUnsignedLongLong(sizes[k]);
        if (!size || PyList_SetItem(list, (Py_ssize_t)k, size) < 0)
            Py_CLEAR(list);
    }
    PyMem_Free(sizes);
    return list;
}

static u64 end_of(const Output *output, u64 k)
{
    return output->varies ? output->ends[k] : (k + 1) * output->longest;
}

static PyObject *renderer_ends(Renderer *self, PyObject *args)
{
    Py_ssize_t number, count;
    if (!PyArg_ParseTuple(args, "nn", &number, &count))
        return NULL;
    if (number < 0 || (u64)number >= self->outputs_count || count < 0
        || (u64)count > self->capacity) {
        PyErr_SetString(PyExc_ValueError, "an output, and at most the capacity, are needed");
        return NULL;
    }
    const Output *output = self->outputs + number;
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, count * 8);
    if (!bytes)
        return NULL;
    char *to = PyBytes_AsString(bytes);
    for (Py_ssize_t k = 0; k < count; k++) {
        u64 end = end_of(output, (u64)k);
        memcpy(to + 8 * k, &end, 8);
    }
    PyObject *view = PyMemoryView_FromObject(bytes);
    Py_DECREF(bytes);
    PyObject *words = view ? PyObject_CallMethod(view, "cast", "s", "q") : NULL;
    Py_XDECREF(view);
    return words;
}

/* Texts that have more than 2 GiB together are none of Arrow's: their offsets wrap, as numpy's do. */
static PyObject *renderer_offsets(Renderer *self, PyObject *args)
{
    Py_ssize_t number, count, batch;
    if (!PyArg_ParseTuple(args, "nnn", &number, &count, &batch))
        return NULL;
    if (number < 0 || (u64)number >= self->outputs_count || count < 0 || batch < 1
        || (u64)count > self->capacity) {
        PyErr_SetString(PyExc_ValueError, "an output, and at most the capacity, are needed");
        return NULL;
    }
    const Output *output = self->outputs + number;
    const Py_ssize_t batches = count / batch + (count % batch != 0);
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, 4 * (count + batches));
    if (!bytes)
        return NULL;
    char *to = PyBytes_AsString(bytes);
    u64 base = 0, end = 0;
    for (Py_ssize_t k = 0; k < count; k++) {
        if (k % batch == 0) {
            base = end;
            memset(to, 0, 4);
            to += 4;
        }
        end = end_of(output, (u64)k);
        uint32_t offset = (uint32_t)(end - base);
        memcpy(to, &offset, 4);
        to += 4;
    }
    PyObject *view = PyMemoryView_FromObject(bytes);
    Py_DECREF(bytes);
    return view;
}

static PyObject *renderer_capacity(Renderer *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(self->capacity);
}

static PyObject *renderer_wide(Renderer *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(self->is_wide);
}

static PyObject *renderer_nbytes(Renderer *self, void *closure)
{
    (void)closure;
    u64 total = self->registers * TILE * 8;
    for (u64 k = 0; k < self->outputs_count; k++)
        total += (u64)self->outputs[k].view.len + (self->outputs[k].ends ? self->capacity * 8 : 0);
    return PyLong_FromUnsignedLongLong(total);
}

static PyMethodDef renderer_methods[] = {
    {"render", (PyCFunction)renderer_render, METH_VARARGS,
     "Return the bytes of each output for a range of indices; valid until the next call."},
    {"measure", (PyCFunction)renderer_measure, METH_VARARGS,
     "Return how many bytes each output has for a range of indices."},
    {"ends", (PyCFunction)renderer_ends, METH_VARARGS,
     "Return where each of the lines that were rendered last ends in an output."},
    {"offsets", (PyCFunction)renderer_offsets, METH_VARARGS,
     "Return Arrow's offsets of the lines that were rendered last, in each batch from 0 on."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef renderer_members[] = {
    {"capacity", (getter)renderer_capacity, NULL, "Records of a range, at most.", NULL},
    {"wide", (getter)renderer_wide, NULL, "Whether eight records are computed at a time.", NULL},
    {"nbytes", (getter)renderer_nbytes, NULL, "Bytes of the renderer's buffers.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot renderer_slots[] = {
    {Py_tp_new, renderer_new},
    {Py_tp_dealloc, renderer_dealloc},
    {Py_tp_methods, renderer_methods},
    {Py_tp_getset, renderer_members},
    {Py_tp_doc, "Renders ranges of at most `capacity` records as a packed program says."},
    {0, NULL},
};

static PyType_Spec renderer_spec = {
    .name = "mockdata.render._native.Renderer",
    .basicsize = sizeof(Renderer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = renderer_slots,
};

static int module_exec(PyObject *module)
{
    PyObject *type = PyType_FromModuleAndSpec(module, &renderer_spec, NULL);
    if (!type)
        return -1;
    int failed = PyModule_AddObjectRef(module, "Renderer", type);
    Py_DECREF(type);
    return failed;
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
    {0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "mockdata.render._native",
    .m_doc = "Runs programs, compiled.",
    .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__native(void) { return PyModuleDef_Init(&module); }
