/* From registers to lines: a part of _native.c. */

/* Copies `width` bytes, 16 or more. */
static inline void copy_long(char *to, const unsigned char *text, u64 width)
{
    for (u64 k = 0; k + 16 < width; k += 16)
        copy16(to + k, text + k);
    copy16(to + width - 16, text + width - 16);
}

/* Texts of one width, and not a byte more. */
static inline __attribute__((always_inline)) void put_texts(const Table *t, const u64 *row,
                                                            const Places *to)
{
    const unsigned char *texts = t->texts;
    const u64 width = t->width;
    switch (width) {
    case 0: break;
#define EXACT(W) case W: \
        _Pragma("GCC unroll 4") \
        for (u64 k = 0; k < to->count; k++) memcpy(place(to, k, W), texts + row[k] * W, W); \
        break;
    EXACT(1) EXACT(2) EXACT(3) EXACT(4) EXACT(5) EXACT(6) EXACT(7) EXACT(8)
    EXACT(9) EXACT(10) EXACT(11) EXACT(12) EXACT(13) EXACT(14) EXACT(15) EXACT(16)
#undef EXACT
    default:
        for (u64 k = 0; k < to->count; k++)
            copy_long(place(to, k, width), texts + row[k] * width, width);
    }
}

/* The same text in every line: it is loaded once. */
static inline __attribute__((always_inline)) void put_literal(const Table *t, const Places *to)
{
    const u64 width = t->width;
    switch (width) {
    case 0: break;
#define EXACT(W) case W: { \
        char text[W]; \
        memcpy(text, t->texts, W); \
        for (u64 k = 0; k < to->count; k++) memcpy(place(to, k, W), text, W); \
        break; \
    }
    EXACT(1) EXACT(2) EXACT(3) EXACT(4) EXACT(5) EXACT(6) EXACT(7) EXACT(8)
    EXACT(9) EXACT(10) EXACT(11) EXACT(12) EXACT(13) EXACT(14) EXACT(15) EXACT(16)
#undef EXACT
    default:
        for (u64 k = 0; k < to->count; k++)
            copy_long(place(to, k, width), t->texts, width);
    }
}

/* Items that are put alike in lines of one width and in others. */
static inline __attribute__((always_inline)) void put_item(const Item *item, const Places *to)
{
    const u64 *reg = item->reg;
    switch (item->kind) {
    case TEXT:
        if (item->is_literal)
            put_literal(item->table, to);
        else
            put_texts(item->table, reg, to);
        break;
    case SUFFIX:
        for (u64 k = item->is_wide ? wide_suffixes(reg, *to) : 0; k < to->count; k++) {
            Chars chars = suffix_of(reg[k]);
            memcpy(place(to, k, 16), &chars, 16);
        }
        break;
    case UUID:
        for (u64 k = 0; k < to->count; k++)
            put_uuid(place(to, k, 36), reg[k]);
        break;
    case NUMBER:
        for (u64 k = 0; k < to->count; k++)
            put_number(place(to, k, digits_of(reg[k])), reg[k]);
    }
}

/* Lines of one width. Their literals are there already. */
static void put_rows(const Output *output, u64 first, u64 count)
{
    for (const Item *item = output->items; item < output->items + output->count; item++) {
        char *start = output->start + first * output->longest + item->offset;
        const Places to = {.where = ROWS, .start = start, .stride = output->longest, .count = count};
        if (!item->is_literal)
            put_item(item, &to);
    }
}

/* Texts in slots: all of a slot is copied. What is too much of it is written over by the rest of the
   line, if that is long enough; else, what stood behind the line's end is put back. */
static inline __attribute__((always_inline)) void put_slots(const Item *item, u64 count, char **at,
                                                            char *const *ends, const u64 width)
{
    const unsigned char *texts = item->table->texts, *lengths = item->table->lengths;
    const u64 *reg = item->reg;
    const int fits = item->fits;
    for (u64 k = 0; k < count; k++) {
        const u64 row = reg[k];
        char *to = at[k], behind[32] = {0};
        if (!fits)
            memcpy(behind, ends[k], width);
        memcpy(to, texts + row * width, width);
        if (!fits)
            memcpy(ends[k], behind, width);
        at[k] = to + lengths[row];
    }
}

static void add_lengths(const Item *item, u64 *restrict lengths)
{
    const Table *t = item->table;
    const u64 *reg = item->reg;
    if (item->kind == NUMBER)
        for (int k = 0; k < TILE; k++)
            lengths[k] += digits_of(reg[k]);
    else if (t->kind == SLOTS)
        for (int k = 0; k < TILE; k++)
            lengths[k] += t->lengths[reg[k]];
    else
        for (int k = 0; k < TILE; k++)
            lengths[k] += t->offsets[reg[k] + 1] - t->offsets[reg[k]];
}

static void measure_lines(const Output *output, u64 *lengths)
{
    for (int k = 0; k < TILE; k++)
        lengths[k] = output->sure;
    for (const Item *item = output->items; item < output->items + output->count; item++)
        if (item->varies)
            add_lengths(item, lengths);
}

static inline __attribute__((always_inline)) void put_varying(const Item *item, const Places *to,
                                                              char *const *ends)
{
    if (item->kind == TEXT && item->table->kind == LONG) {
        for (u64 k = 0; k < to->count; k++) {
            u64 size;
            const unsigned char *text = text_of(item->table, item->reg[k], &size);
            memcpy(place(to, k, size), text, size);
        }
    } else if (item->kind != TEXT || item->table->kind == FIXED) {
        put_item(item, to);
    } else if (item->table->width == 16) {
        put_slots(item, to->count, to->at, ends, 16);
    } else {
        put_slots(item, to->count, to->at, ends, 32);
    }
}

/* Lines of several widths, from `start` on; returns where they end. */
static char *put_lines(const Output *output, u64 first, u64 count, char *start)
{
    u64 lengths[TILE];
    char *at[TILE], *edges[TILE + 1];
    measure_lines(output, lengths);
    edges[0] = start;
    for (u64 k = 0; k < count; k++) {
        at[k] = start + output->head;
        edges[k + 1] = start += lengths[k];
        output->ends[first + k] = (u64)(start - output->start);
    }
    for (const Item *item = output->items; item < output->items + output->count; item++) {
        const ptrdiff_t offset = (ptrdiff_t)item->offset;
        if (item->where == MOVING) {
            const Places to = {.where = MOVING, .at = at, .count = count};
            put_varying(item, &to, edges + 1);
        } else if (item->where == FROM_START) {
            const Places to = {.where = FROM_START, .edges = edges, .shift = offset, .count = count};
            put_item(item, &to);
        } else {
            const Places to = {.where = FROM_END, .edges = edges + 1, .shift = -offset,
                               .count = count};
            put_item(item, &to);
        }
    }
    return start;
}

/* The tile of the records from `start` on. Places behind its last record have the first one's. */
static void run_all(const Renderer *self, u64 start, u64 count, int measured)
{
    for (u64 k = 0; k < TILE; k++)
        self->values[k] = start + (k < count ? k : 0);
    for (u64 k = 0; k < self->steps_count; k++) {
        const Step *step = self->steps + k;
        if (measured && !step->measured)
            continue;
        if (!self->is_wide || !wide_run(self, step))
            run(self, step);
    }
}

static void render(const Renderer *self, u64 start, u64 count, char **ends)
{
    for (u64 k = 0; k < self->outputs_count; k++)
        ends[k] = self->outputs[k].start;
    for (u64 first = 0; first < count; first += TILE) {
        u64 size = count - first < TILE ? count - first : TILE;
        run_all(self, start + first, size, 0);
        for (u64 k = 0; k < self->outputs_count; k++) {
            const Output *output = self->outputs + k;
            if (output->varies) {
                ends[k] = put_lines(output, first, size, ends[k]);
            } else {
                put_rows(output, first, size);
                ends[k] += size * output->longest;
            }
        }
    }
}

static void measure(const Renderer *self, u64 start, u64 count, u64 *sizes)
{
    u64 varying = 0;
    for (u64 n = 0; n < self->outputs_count; n++) {
        sizes[n] = self->outputs[n].varies ? 0 : count * self->outputs[n].longest;
        varying += self->outputs[n].varies;
    }
    for (u64 first = 0; varying && first < count; first += TILE) {
        u64 size = count - first < TILE ? count - first : TILE, lengths[TILE];
        run_all(self, start + first, size, 1);
        for (u64 n = 0; n < self->outputs_count; n++) {
            if (!self->outputs[n].varies)
                continue;
            measure_lines(self->outputs + n, lengths);
            for (u64 k = 0; k < size; k++)
                sizes[n] += lengths[k];
        }
    }
}
