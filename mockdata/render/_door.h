/* Reading and checking a program, and making room for its lines: a part of _native.c. */

/* Reads words. Once there are none left, or `problem` is set, it returns zeros. */
typedef struct { const u64 *at, *end; const char *problem; } Reader;

static u64 next(Reader *in)
{
    if (in->at < in->end && !in->problem)
        return *in->at++;
    if (!in->problem)
        in->problem = "it ends too early";
    return 0;
}

static void need(Reader *in, int holds, const char *problem)
{
    if (!holds && !in->problem)
        in->problem = problem;
}

static const void *blob(Renderer *self, Reader *in, u64 number, u64 *size)
{
    char *data;
    Py_ssize_t length;
    *size = 0;
    if (number >= (u64)PyTuple_Size(self->blobs)) {
        need(in, 0, "a table is not there");
        return NULL;
    }
    PyObject *bytes = PyTuple_GetItem(self->blobs, (Py_ssize_t)number);
    if (PyBytes_AsStringAndSize(bytes, &data, &length) < 0) {
        PyErr_Clear();
        need(in, 0, "a table is not of bytes");
        return NULL;
    }
    *size = (u64)length;
    return data;
}

static void *made(u64 count, size_t size)
{
    return PyMem_Calloc(count ? count : 1, size);
}

static void read_slots(Reader *in, Table *t, u64 size)
{
    need(in, t->width == 16 || t->width == 32, "slots have 16 or 32 bytes");
    need(in, size >= t->rows * t->width, "a table's bytes are too few");
    t->lengths = in->problem ? NULL : made(t->rows, 1);
    need(in, t->lengths != NULL, "there is no memory for a table");
    t->shortest = t->width;
    for (u64 row = 0; row < t->rows && !in->problem; row++) {
        unsigned char length = t->lengths[row] = t->texts[(row + 1) * t->width - 1];
        need(in, length < t->width, "a text does not fit into its slot");
        t->shortest = length < t->shortest ? length : t->shortest;
        t->longest = length > t->longest ? length : t->longest;
    }
}

static void read_offsets(Renderer *self, Reader *in, Table *t, u64 size)
{
    u64 bytes;
    t->offsets = blob(self, in, t->width, &bytes);
    t->width = 0;
    need(in, bytes / sizeof *t->offsets >= t->rows + 1, "offsets are too few");
    t->shortest = MOST_WIDTH;
    for (u64 row = 0; row < t->rows && !in->problem; row++) {
        uint32_t start = t->offsets[row], end = t->offsets[row + 1];
        need(in, start <= end && end - start <= MOST_WIDTH && (u64)end + SLACK <= size,
             "offsets are wrong");
        t->shortest = end - start < t->shortest ? end - start : t->shortest;
        t->longest = end - start > t->longest ? end - start : t->longest;
    }
}

static void read_buckets(Reader *in, Table *t, u64 size)
{
    need(in, t->width <= 32, "there are too many buckets");
    u64 count = (u64)1 << (in->problem ? 0 : t->width);
    need(in, size / sizeof(u64) >= count, "buckets are too few");
    t->buckets = (const u64 *)t->texts;
    t->pairs = t->rows != 0;
    t->rows = 0;
    for (u64 k = 0; k < count && !in->problem; k++) {
        u64 one = t->buckets[k] & (t->pairs ? 0xFFFF : 0xFFFFFFFF);
        u64 other = t->pairs ? t->buckets[k] >> 16 & 0xFFFF : k;
        if (t->buckets[k] >> 32 <= k << (32 - t->width))
            other = one;  /* it ends where it begins: no draw has its own row */
        u64 row = one > other ? one : other;
        t->rows = row >= t->rows ? row + 1 : t->rows;
    }
}

/* kind, blob, rows, width. For LONG, the width is the offsets' blob. For BUCKETS, the rows are
   whether a bucket has two of them, and the width is the logarithm of how many there are. */
static void read_table(Renderer *self, Reader *in, Table *t)
{
    u64 size;
    t->kind = next(in);
    t->texts = blob(self, in, next(in), &size);
    t->rows = next(in);
    t->width = next(in);
    need(in, t->kind == BUCKETS || t->rows > 0, "a table is empty");
    need(in, t->rows <= UINT32_MAX && t->width <= MOST_WIDTH, "a table is too large");
    if (in->problem)
        return;
    if (t->kind == FIXED) {
        t->shortest = t->longest = t->width;
        need(in, size >= t->rows * t->width + SLACK, "a table's bytes are too few");
    } else if (t->kind == SLOTS) {
        read_slots(in, t, size);
    } else if (t->kind == LONG) {
        read_offsets(self, in, t, size);
    } else if (t->kind == BUCKETS) {
        read_buckets(in, t, size);
    } else {
        need(in, 0, "a table is of no known kind");
    }
}

/* What the steps have written so far, and how large it can be. */
typedef struct { unsigned char *written; u64 *bound; const Step **scatters; u64 count; } Known;

static u64 bound_of(Reader *in, Known *known, u64 reg)
{
    int there = reg < known->count && known->written[reg];
    need(in, there, "a register is read before it is written");
    return there ? known->bound[reg] : 0;
}

static void writes(Reader *in, Known *known, u64 reg, u64 bound)
{
    int fits = reg < known->count && !known->written[reg];
    need(in, fits, "a register is written twice, or is not there");
    if (fits && !in->problem) {
        known->written[reg] = 1;
        known->bound[reg] = bound;
    }
}

static u64 saturated(u128 n) { return n > UINT64_MAX ? UINT64_MAX : (u64)n; }

static const Table *table_of(const Renderer *self, Reader *in, u64 number, int buckets)
{
    int fits = number < self->tables_count && (self->tables[number].kind == BUCKETS) == buckets;
    need(in, fits, "a table is not there, or of another kind");
    return fits && !in->problem ? self->tables + number : NULL;
}

/* A text's row: its register's bound is below the table's rows, or it is the only one. */
static void reads_row(Reader *in, Known *known, const Table *t, u64 reg)
{
    u64 bound = reg ? bound_of(in, known, reg) : 0;
    need(in, t && bound < t->rows, "a row is not in its table");
}

static void read_scatter(Reader *in, Known *known, Step *s)
{
    const u64 *w = s->w, size = w[4], lefts = w[5], rights = w[6];
    u128 product = (u128)lefts * rights;
    u64 number = bound_of(in, known, w[2]);
    if (w[3])
        bound_of(in, known, w[3]);
    need(in, lefts && rights && lefts <= HALF_WORDS && rights <= HALF_WORDS, "halves are wrong");
    need(in, (s->count - 7) % 2 == 0, "a round is missing");
    need(in, size ? product >= size : product > UINT64_MAX, "halves are too small");
    /* Else a number may be permuted again nearly for ever: see walk. Roots leave few over. */
    int are_roots = lefts - rights <= 1 && product - size < lefts && product <= UINT64_MAX;
    need(in, !size || product == size || are_roots, "halves are too large");
    s->wraps = size && number >= size;
    s->divider = divider(rights, s->wraps ? size - 1 : number);
    writes(in, known, w[0], lefts - 1);
    writes(in, known, w[1], rights - 1);
    if (!in->problem)
        known->scatters[w[0]] = s;
}

static void read_join(Reader *in, Known *known, Step *s)
{
    const u64 *w = s->w;
    u64 top = bound_of(in, known, w[1]), low = bound_of(in, known, w[3]);
    u64 bound = saturated((u128)top * w[2] + low);
    if (in->problem)
        return;
    const Step *of = known->scatters[w[1]];  /* a number's own halves: it is below its size */
    if (of && of->w[1] == w[3] && of->w[6] == w[2] && of->w[4])
        bound = of->w[4] - 1;
    writes(in, known, w[0], bound);
}

static void read_shift(Reader *in, Known *known, Step *s)
{
    const u64 *w = s->w;
    u64 bound = saturated((u128)bound_of(in, known, w[1]) * w[3] + w[2]);
    need(in, s->count % 2 == 0, "a gap is not whole");
    for (const u64 *gap = w + 4; gap < w + s->count && !in->problem; gap += 2)
        bound = saturated((u128)bound + gap[1]);
    writes(in, known, w[0], bound);
}

static void read_check(Renderer *self, Reader *in, Known *known, Step *s)
{
    need(in, (s->count - 1) % 3 == 0, "a term is not whole");
    for (const u64 *w = s->w + 1; w < s->w + s->count && !in->problem; w += 3) {
        need(in, w[0] <= NUMBER, "a term is of no known kind");
        if (w[0] != TEXT) {
            bound_of(in, known, w[1]);
            continue;
        }
        reads_row(in, known, table_of(self, in, w[2], 0), w[1]);
        if (!in->problem && make_luhn(self->tables + w[2]) < 0)
            need(in, 0, "there is no memory for a table");
    }
    writes(in, known, s->w[0], 9);
}

/* The fewest operands of each step. */
static const u64 OPERANDS[STEPS] = {5, 4, 2, 3, 4, 2, 3, 4, 7, 4, 4, 2, 4, 1};

/* op, whether lengths depend on it, how many operands, and these. */
static void read_step(Renderer *self, Reader *in, Known *known, Step *s)
{
    s->op = next(in);
    s->measured = next(in);
    s->count = next(in);
    need(in, s->op < STEPS, "a step is of no known kind");
    need(in, !in->problem && s->count >= OPERANDS[s->op], "operands are too few");
    need(in, s->count <= (u64)(in->end - in->at), "it ends too early");
    if (in->problem)
        return;
    const u64 *w = s->w = in->at;
    in->at += s->count;
    switch (s->op) {
    case DISTINCT:
        bound_of(in, known, w[1]);
        need(in, w[4] > 0, "there are no distinct records");
        writes(in, known, w[0], w[4] - 1);
        break;
    case PERMUTE: case FIRST_WORD: case WORD:
        bound_of(in, known, w[1]);
        writes(in, known, w[0], UINT64_MAX);
        break;
    case PICK: {
        const Table *t = table_of(self, in, w[3], 1);
        bound_of(in, known, w[1]);
        writes(in, known, w[0], t ? t->rows - 1 : 0);
        break;
    }
    case DRAWN:
        bound_of(in, known, w[1]);
        writes(in, known, w[0], FRACTION);
        break;
    case DIGIT:  /* it writes the fraction, too, and leaves it within its bound */
        need(in, bound_of(in, known, w[1]) == FRACTION, "this is no fraction");
        need(in, w[2] > 0, "a piece has no texts");
        writes(in, known, w[0], w[2] - 1);
        break;
    case WIDE:
        bound_of(in, known, w[1]);
        bound_of(in, known, w[2]);
        need(in, w[3] > 0, "a piece has no texts");
        writes(in, known, w[0], w[3] - 1);
        break;
    case SCATTER: read_scatter(in, known, s); break;
    case JOIN: read_join(in, known, s); break;
    case SPLIT: {
        u64 bound = bound_of(in, known, w[2]);
        need(in, w[3] > 0, "a piece has no texts");
        s->divider = divider(w[3], bound);
        writes(in, known, w[0], w[3] ? bound / w[3] : 0);
        writes(in, known, w[1], w[3] - 1 < bound ? w[3] - 1 : bound);
        break;
    }
    case TWEAK:
        for (u64 k = 2; k < s->count; k++)
            bound_of(in, known, w[k]);
        writes(in, known, w[0], UINT64_MAX);
        break;
    case SHIFT: read_shift(in, known, s); break;
    case CHECK: read_check(self, in, known, s); break;
    }
}

/* kind, register, table. */
static void read_item(Renderer *self, Reader *in, Known *known, Output *output, Item *item)
{
    item->kind = next(in);
    u64 reg = next(in), number = next(in);
    need(in, item->kind <= NUMBER, "an item is of no known kind");
    if (in->problem)
        return;
    item->offset = output->longest;
    if (item->kind == TEXT) {
        item->table = table_of(self, in, number, 0);
        reads_row(in, known, item->table, reg);
        if (in->problem)
            return;
        item->shortest = item->table->shortest;
        item->longest = item->table->longest;
        item->is_literal = !reg;
        item->varies = item->table->kind != FIXED;
    } else {
        u64 bound = bound_of(in, known, reg);
        item->varies = item->kind == NUMBER && bound > 9;
        item->longest = item->kind == SUFFIX ? 16 : item->kind == UUID ? 36 : digits_of(bound);
        item->shortest = item->varies ? 1 : item->longest;
    }
    item->is_wide = self->is_wide;
    item->reg = item->is_literal ? self->zeros : self->values + reg * TILE;
    output->sure += item->varies ? 0 : item->longest;
    output->longest += item->longest;
    output->varies |= item->varies;
    need(in, output->longest <= MOST_WIDTH, "a line is too long");
}

static u64 *aligned(void *room)
{
    return room ? (u64 *)(((uintptr_t)room + LINE - 1) / LINE * LINE) : NULL;
}

/* In a line of several widths: items before the first one that varies stand at offsets from its
   start, those behind the last one, from its end. */
static void find_places(Output *output)
{
    u64 first = 0, last = output->count, behind = 0;
    while (first < output->count && !output->items[first].varies)
        output->items[first++].where = FROM_START;
    output->head = first < output->count ? output->items[first].offset : 0;
    while (last > first && !output->items[last - 1].varies) {
        Item *item = output->items + --last;
        item->where = FROM_END;
        item->offset = behind += item->longest;
    }
    while (first < last)
        output->items[first++].where = MOVING;
}

static int read_output(Renderer *self, Reader *in, Known *known, Output *output)
{
    output->count = next(in);
    need(in, output->count <= (u64)(in->end - in->at) / 3, "it ends too early");
    output->items = in->problem ? NULL : made(output->count, sizeof *output->items);
    if (!in->problem && !output->items)
        return -1;
    for (u64 k = 0; k < output->count && !in->problem; k++)
        read_item(self, in, known, output, output->items + k);
    u64 rest = 0;
    for (u64 k = output->count; k-- && !in->problem;) {
        Item *item = output->items + k;
        rest += item->shortest;
        item->fits = item->table && rest >= item->table->width;
    }
    if (output->varies && !in->problem)
        find_places(output);
    return 0;
}

/* Reads `words`; returns -1 if there is no memory. */
static int read_program(Renderer *self, Reader *in)
{
    need(in, next(in) == VERSION, "it is of another version");
    self->registers = next(in);
    self->tables_count = next(in);
    self->steps_count = next(in);
    self->outputs_count = next(in);
    u64 most = (u64)(in->end - in->at) + 1;
    need(in, self->tables_count <= most && self->steps_count <= most
             && self->outputs_count <= most, "it ends too early");
    /* Not as few as there are words: those that only numpy's steps use are left out. */
    need(in, self->registers && self->registers <= MOST_REGISTERS, "registers are too many");
    if (in->problem)
        return 0;
    Known known = {
        .written = made(self->registers, 1),
        .bound = made(self->registers, sizeof(u64)),
        .scatters = made(self->registers, sizeof(Step *)),
        .count = self->registers,
    };
    self->tables = made(self->tables_count, sizeof *self->tables);
    self->steps = made(self->steps_count, sizeof *self->steps);
    self->outputs = made(self->outputs_count, sizeof *self->outputs);
    self->room = made(self->registers * TILE * sizeof(u64) + LINE, 1);
    self->values = aligned(self->room);
    int failed = !known.written || !known.bound || !known.scatters || !self->tables
                 || !self->steps || !self->outputs || !self->values;
    if (!failed) {
        writes(in, &known, 0, INDICES - 1);
        for (u64 k = 0; k < self->tables_count && !in->problem; k++)
            read_table(self, in, self->tables + k);
        for (u64 k = 0; k < self->steps_count && !in->problem; k++)
            read_step(self, in, &known, self->steps + k);
        for (u64 k = 0; k < self->outputs_count && !in->problem && !failed; k++)
            failed = read_output(self, in, &known, self->outputs + k) < 0;
        need(in, in->at == in->end, "it goes on behind its end");
    }
    PyMem_Free(known.written);
    PyMem_Free(known.bound);
    PyMem_Free(known.scatters);
    return failed ? -1 : 0;
}

/* An output's buffer: a bytearray whose memory the view holds in place. Of lines of one width, the
   literals are put now. */
static int make_room(Renderer *self, Output *output)
{
    u64 size = self->capacity * output->longest + SLACK;
    output->buffer = PyByteArray_FromStringAndSize(NULL, (Py_ssize_t)size);
    if (!output->buffer)
        return -1;
    if (PyObject_GetBuffer(output->buffer, &output->view, PyBUF_WRITABLE) < 0)
        return -1;
    output->start = output->view.buf;
    memset(output->start, 0, size);
    if (output->varies) {
        output->ends = made(self->capacity, sizeof *output->ends);
        return output->ends ? 0 : -1;
    }
    for (u64 n = 0; n < output->count; n++) {
        const Item *item = output->items + n;
        for (u64 k = 0; item->is_literal && k < self->capacity; k++)
            memcpy(output->start + k * output->longest + item->offset, item->table->texts,
                   item->longest);
    }
    return 0;
}
