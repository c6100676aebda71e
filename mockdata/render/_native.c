/* Runs programs: the compiled renderer, which makes the same bytes as the one in numpy.

   mockdata/render/native.py packs a program: an array of 64-bit words, and tables, which are bytes
   objects. mockdata/render/program.py says what its steps mean. Records are rendered a tile at a
   time: each step computes a register for the whole tile, then the items of each output are put. A
   tile's registers stay in the core's first cache, and the loops are short enough to be pipelined.

   Why no program reads or writes where it must not:

   - Everything is checked once, when a renderer is made (`read_program`). A program that is not
     whole, or does not fit its tables, is a ValueError.
   - A register is written by one step only, and read after that. `bound` is the largest word that
     it can hold; each step's bound follows from those of what it reads. A row of a table is read
     out of a register whose bound is below the table's rows. Registers begin as zeros, which are
     within every bound, so one that is not computed when lines are measured is in bounds, too.
   - Tables are bytes objects: they do not change, and they live as long as the renderer. SLACK
     bytes stand behind the last text of each, so that 16 or 32 bytes are read at once.
   - The longest line is the sum of its items' longest texts. An output has room for `capacity` of
     them and SLACK more: a text begins where those before it end, and at most SLACK bytes more than
     it has are written, which the next text, the next line or nothing takes the place of.
   - All arithmetic is unsigned. Shifts are by less than the word's bits: see where they are made. */

#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#if !defined(__SIZEOF_INT128__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a little-endian machine with 128-bit integers is needed: numpy renders on others"
#endif

typedef uint64_t u64;
typedef unsigned __int128 u128;
typedef signed char Chars __attribute__((vector_size(16)));
typedef u64 Pair __attribute__((vector_size(16)));

enum { TILE = 128, SLACK = 32, VERSION = 1, HEADER = 5, MOST_WIDTH = 1 << 24 };

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
    uint16_t *luhn;
    int parity;            /* of all texts' digits, or -1 */
} Table;

enum { DISTINCT, PERMUTE, FIRST_WORD, WORD, PICK, DRAWN, DIGIT, WIDE, SCATTER, JOIN, SPLIT, TWEAK,
       SHIFT, CHECK, STEPS };

/* What divides words below 2**63 by a number: see `divider`. */
typedef struct { u64 by, factor; int shift; } Divider;

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
    u64 offset, shortest, longest;
    int varies, is_literal;
    int fits;              /* SLOTS: whether a whole slot ends within the line */
} Item;

typedef struct {
    Item *items;
    u64 count, varies, longest;
    u64 sure;              /* bytes of the items that do not vary */
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
    int busy;
} Renderer;

/* ---------------------------------------------------------------- Arithmetic of one word */

static inline u64 high(u64 a, u64 b) { return (u64)((u128)a * b >> 64); }

static inline u64 mixed(u64 h)
{
    h = (h ^ h >> 30) * MIX_1;
    h = (h ^ h >> 27) * MIX_2;
    return h ^ h >> 31;
}

static inline u64 folded(u64 z) { return z ^ z >> 32; }

static inline int bits_of(u64 n) { return n ? 64 - __builtin_clzll(n) : 0; }

/* With 2**s <= d < 2**(s + 1) and m = 2**(64 + s) / d rounded up, m * d - 2**(64 + s) is below d, so
   below 2**(s + 1); and n * m >> 64 + s is n / d for every n for which n times that is at most
   2**(64 + s): for all n up to 2**63. For a power of two, m = 2**63 and s - 1 do the same. Other
   words, and d = 1, are divided as usual: `factor` is 0. */
static Divider divider(u64 by, u64 bound)
{
    Divider d = {by, 0, 0};
    if (by < 2 || bound >= HALF_WORDS)
        return d;
    d.shift = bits_of(by) - 1;
    if (by == (u64)1 << d.shift)
        d.shift -= 1;
    d.factor = (u64)((((u128)1 << (64 + d.shift)) + by - 1) / by);
    return d;
}

static inline u64 divided(u64 n, Divider d)
{
    return d.factor ? high(n, d.factor) >> d.shift : n / d.by;
}

static const u64 POWERS[20] = {
    1u, 10u, 100u, 1000u, 10000u, 100000u, 1000000u, 10000000u, 100000000u, 1000000000u,
    10000000000u, 100000000000u, 1000000000000u, 10000000000000u, 100000000000000u,
    1000000000000000u, 10000000000000000u, 100000000000000000u, 1000000000000000000u,
    10000000000000000000u,
};

/* 1233 / 4096 is a little less than the logarithm of 2, so the first guess is right or 1 too low. */
static inline u64 digits_of(u64 n)
{
    u64 guess = (u64)bits_of(n) * 1233 >> 12;
    return guess + (guess < 20 && n >= POWERS[guess]) + (n == 0);
}

/* ---------------------------------------------------------------- Spelled words */

static inline void copy16(void *to, const void *from) { memcpy(to, from, 16); }

static inline Chars suffix_of(u64 h)
{
    u64 fill = folded(h * FILL);
    Pair words = {h & 0x1F1F1F1F1F1F1F1F,
                  (h >> 5 & 0x0707070707070707) | (fill & 0x1818181818181818)};
    Chars places = (Chars)words;
    return places + 'a' - ((places > 25) & ('a' + 26 - '2'));
}

static inline Chars hex_of(Pair words)
{
    Chars places = (Chars)words;
    return places + '0' + ((places > 9) & ('a' - '0' - 10));
}

static inline void put_uuid(char *to, u64 h)
{
    const u64 nibbles = 0x0F0F0F0F0F0F0F0F;
    u64 fill = folded(h * FILL), one = h >> 4 & nibbles, three = fill >> 4 & nibbles;
    three = (three & ~(u64)0xFF) | (one >> 32 & 0xF);
    one = (one & 0xFFFFFFF0FFFFFFFF) | (u64)4 << 32;
    u64 two = (fill & nibbles & ~(u64)0xC) | 8;
    Chars low = hex_of((Pair){h & nibbles, one}), top = hex_of((Pair){two, three});
    char digits[32];
    memcpy(digits, &low, 16);
    memcpy(digits + 16, &top, 16);
    memcpy(to, digits, 8);
    memcpy(to + 9, digits + 8, 4);
    memcpy(to + 14, digits + 12, 4);
    memcpy(to + 19, digits + 16, 4);
    memcpy(to + 24, digits + 20, 12);
    to[8] = to[13] = to[18] = to[23] = '-';
}

static inline u64 put_number(char *to, u64 n)
{
    u64 size = digits_of(n);
    for (u64 k = size; k--; n /= 10)
        to[k] = (char)('0' + n % 10);
    return size;
}

/* ---------------------------------------------------------------- Check digits */

/* A text's part in a Luhn sum, which begins behind an even number of digits, and behind an odd one;
   and whether it has an odd number of digits: 4, 4 and 1 bits. */
static uint16_t luhn_of(const unsigned char *text, u64 size)
{
    unsigned sums[2] = {0, 0}, odd = 0;
    while (size--) {
        unsigned digit = (unsigned)text[size] - '0';
        if (digit > 9)
            continue;
        sums[odd] += 2 * digit - 9 * (digit > 4);
        sums[!odd] += digit;
        odd ^= 1;
    }
    return (uint16_t)(sums[0] % 10 | (sums[1] % 10) << 4 | odd << 8);
}

static const unsigned char *text_of(const Table *table, u64 row, u64 *size)
{
    const unsigned char *slot = table->texts + row * table->width;
    if (table->kind == LONG) {
        *size = table->offsets[row + 1] - table->offsets[row];
        return table->texts + table->offsets[row];
    }
    *size = table->kind == SLOTS ? slot[table->width - 1] : table->width;
    return slot;
}

static int make_luhn(Table *table)
{
    if (table->luhn)
        return 0;
    table->luhn = PyMem_Calloc(table->rows, sizeof *table->luhn);
    if (!table->luhn)
        return -1;
    for (u64 row = 0; row < table->rows; row++) {
        u64 size;
        const unsigned char *text = text_of(table, row, &size);
        table->luhn[row] = luhn_of(text, size);
        if (!row)
            table->parity = table->luhn[row] >> 8;
        else if (table->parity != table->luhn[row] >> 8)
            table->parity = -1;
    }
    return 0;
}

static uint16_t luhn_of_word(u64 kind, u64 word)
{
    unsigned char text[40];
    u64 size = kind == SUFFIX ? 16 : 36;
    if (kind == SUFFIX) {
        Chars chars = suffix_of(word);
        memcpy(text, &chars, 16);
    } else if (kind == UUID) {
        put_uuid((char *)text, word);
    } else {
        size = put_number((char *)text, word);
    }
    return luhn_of(text, size);
}

/* As long as all rows of the terms so far have the same parity, `odd` is it; then it is -1. */
static void check_digits(const Renderer *self, const Step *s, u64 *restrict out)
{
    unsigned char odds[TILE];
    int odd = 0;
    memset(out, 0, TILE * sizeof *out);
    for (const u64 *w = s->w + 1; w < s->w + s->count; w += 3) {
        const Table *t = w[0] == TEXT ? self->tables + w[2] : NULL;
        const u64 *in = t && !w[1] ? self->zeros : self->values + w[1] * TILE;
        if (odd >= 0 && t && t->parity >= 0) {
            const int down = 4 * odd;
            for (int k = 0; k < TILE; k++)
                out[k] += t->luhn[in[k]] >> down & 15;
            odd ^= t->parity;
            continue;
        }
        if (odd >= 0)
            memset(odds, odd, TILE);
        odd = -1;
        for (int k = 0; k < TILE; k++) {
            unsigned part = t ? t->luhn[in[k]] : luhn_of_word(w[0], in[k]);
            out[k] += part >> 4 * odds[k] & 15;
            odds[k] ^= (unsigned char)(part >> 8);
        }
    }
    for (int k = 0; k < TILE; k++)
        out[k] = (10 - out[k] % 10) % 10;
}

/* ---------------------------------------------------------------- Steps, a tile at a time */

/* One round: what `other` draws below `modulus` is added to `changed`, below `modulus` itself. Up
   to 2**63 the sum does not wrap. There is no branch: half of the time it would be guessed wrong. */
static inline u64 round_of(u64 changed, u64 other, u64 key, u64 modulus, u64 mask)
{
    u64 sum = changed + high(folded(other * ROUND_1 + key) * ROUND_2 & mask, modulus), less;
    return __builtin_sub_overflow(sum, modulus, &less) ? sum : less;
}

/* Of moduli of at most 32 bits, the draw's lowest bits count as zeros: so does numpy. */
static inline u64 mask_of(u64 modulus)
{
    int bits = bits_of(modulus);
    return bits <= 32 ? ~(u64)0 << bits : ~(u64)0;
}

/* Halves that are more than there are combinations, permuted again, and again. */
static void walk(const Step *s, const u64 *tweak, u64 *left, u64 *right)
{
    const u64 *w = s->w, size = w[4], lefts = w[5], rights = w[6];
    for (int k = 0; k < TILE; k++)
        while (left[k] * rights + right[k] >= size)
            for (const u64 *key = w + 7; key < w + s->count; key += 2) {
                u64 l = left[k], r = right[k], added = tweak ? tweak[k] : 0;
                left[k] = l = round_of(l, r, key[0] + added, lefts, mask_of(lefts));
                right[k] = round_of(r, l, key[1] + added, rights, mask_of(rights));
            }
}

static void scatter(const Renderer *self, const Step *s)
{
    const u64 *w = s->w, size = w[4], lefts = w[5], rights = w[6];
    u64 *restrict left = self->values + w[0] * TILE, *restrict right = self->values + w[1] * TILE;
    const u64 *number = self->values + w[2] * TILE;
    const u64 *tweak = w[3] ? self->values + w[3] * TILE : NULL;
    const u64 left_mask = mask_of(lefts), right_mask = mask_of(rights);
    const Divider by = s->divider;
    for (int k = 0; k < TILE; k++) {
        u64 n = number[k];
        if (s->wraps && n >= size)
            n %= size;
        left[k] = divided(n, by);
        right[k] = n - left[k] * rights;
    }
    for (const u64 *key = w + 7; key < w + s->count; key += 2) {
        const u64 one = key[0], other = key[1];
        for (int k = 0; k < TILE; k++) {
            u64 added = tweak ? tweak[k] : 0;
            u64 l = round_of(left[k], right[k], one + added, lefts, left_mask);
            left[k] = l;
            right[k] = round_of(right[k], l, other + added, rights, right_mask);
        }
    }
    if (size && (u128)lefts * rights > size)
        walk(s, tweak, left, right);
}

static void pick(const Table *t, const u64 *word, u64 lower, u64 *restrict out)
{
    const u64 *buckets = t->buckets;
    const int up = lower ? 32 : 0, down = 63 - (int)t->width;
    if (t->pairs)
        for (int k = 0; k < TILE; k++) {
            u64 draw = word[k] << up, bucket = buckets[draw >> 1 >> down];
            int own = (draw | 0xFFFFFFFF) < bucket;
            out[k] = bucket >> 16 * own & 0xFFFF;
        }
    else
        for (int k = 0; k < TILE; k++) {
            u64 draw = word[k] << up, at = draw >> 1 >> down, bucket = buckets[at];
            u64 own = -(u64)((draw | 0xFFFFFFFF) < bucket);
            out[k] = (at & own) | (bucket & 0xFFFFFFFF & ~own);
        }
}

static void digit(u64 *restrict fraction, u64 size, u64 *restrict out)
{
    if (size <= 1 << 16)
        for (int k = 0; k < TILE; k++) {
            u64 product = fraction[k] * size;
            out[k] = product >> 48;
            fraction[k] = product & FRACTION;
        }
    else
        for (int k = 0; k < TILE; k++) {
            u128 product = (u128)fraction[k] * size;
            out[k] = (u64)(product >> 48);
            fraction[k] = (u64)product & FRACTION;
        }
}

static void tweak(const Renderer *self, const Step *s, u64 *out)
{
    for (int k = 0; k < TILE; k++)
        out[k] = s->w[1];
    for (u64 j = 2; j < s->count; j++) {
        const u64 *in = self->values + s->w[j] * TILE;
        for (int k = 0; k < TILE; k++)
            out[k] = folded((out[k] ^ in[k]) * FILL);
    }
}

static void shift(const Step *s, const u64 *in, u64 *restrict out)
{
    const u64 *w = s->w;
    for (int k = 0; k < TILE; k++)
        out[k] = in[k] * w[3] + w[2];
    for (const u64 *gap = w + 4; gap < w + s->count; gap += 2)
        for (int k = 0; k < TILE; k++)
            out[k] += in[k] >= gap[0] ? gap[1] : 0;
}

static void run(const Renderer *self, const Step *s)
{
    const u64 *w = s->w;
#define REGISTER(k) (self->values + w[k] * TILE)
    u64 *restrict out = REGISTER(0);  /* no other step writes it, and none of its operands is it */
#define EACH(expression) for (int k = 0; k < TILE; k++) { out[k] = (expression); } break
    switch (s->op) {
    case DISTINCT: { const u64 *in = REGISTER(1); EACH(high(mixed(w[2] + in[k] * w[3]), w[4])); }
    case PERMUTE: { const u64 *in = REGISTER(1); EACH(mixed(w[2] + in[k] * w[3])); }
    case FIRST_WORD: { const u64 *in = REGISTER(1); EACH(folded(in[k] * DRAW)); }
    case WORD: { const u64 *in = REGISTER(1); EACH(mixed(in[k] + w[2])); }
    case PICK: pick(self->tables + w[3], REGISTER(1), w[2], out); break;
    case DRAWN: { const u64 *in = REGISTER(1); EACH(in[k] >> 16); }
    case DIGIT: digit(REGISTER(1), w[2], out); break;
    case WIDE: {
        const u64 *first = REGISTER(1), *second = REGISTER(2);
        EACH((u64)(((u128)first[k] * w[3] + high(second[k], w[3])) >> 64));
    }
    case SCATTER: scatter(self, s); break;
    case JOIN: { const u64 *top = REGISTER(1), *low = REGISTER(3); EACH(top[k] * w[2] + low[k]); }
    case SPLIT: {
        u64 *restrict low = REGISTER(1), by = w[3];
        const u64 *in = REGISTER(2);
        const Divider d = s->divider;
        for (int k = 0; k < TILE; k++) {
            out[k] = divided(in[k], d);
            low[k] = in[k] - out[k] * by;
        }
        break;
    }
    case TWEAK: tweak(self, s, out); break;
    case SHIFT: shift(s, REGISTER(1), out); break;
    case CHECK: check_digits(self, s, out); break;
    }
#undef EACH
#undef REGISTER
}

/* The tile of the records from `start` on. Places behind its last record have the first one's. */
static void run_all(const Renderer *self, u64 start, u64 count, int measured)
{
    for (u64 k = 0; k < TILE; k++)
        self->values[k] = start + (k < count ? k : 0);
    for (u64 k = 0; k < self->steps_count; k++)
        if (!measured || self->steps[k].measured)
            run(self, self->steps + k);
}

/* ---------------------------------------------------------------- Lines */

/* Where the texts of a tile begin: side by side, `stride` apart, in lines of one width; or at places
   of their own, which move on behind what is put there. */
typedef struct { char *start; u64 stride, count; char **at; } Places;

static inline __attribute__((always_inline)) char *place(const Places *to, u64 k, u64 width)
{
    if (!to->at)
        return to->start + k * to->stride;
    char *at = to->at[k];
    to->at[k] = at + width;
    return at;
}

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

/* Items that are put alike in lines of one width and in others. */
static inline __attribute__((always_inline)) void put_item(const Item *item, const Places *to)
{
    const u64 *reg = item->reg;
    switch (item->kind) {
    case TEXT:
        put_texts(item->table, reg, to);
        break;
    case SUFFIX:
        for (u64 k = 0; k < to->count; k++) {
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
        const Places to = {start, output->longest, count, NULL};
        if (!item->is_literal)
            put_item(item, &to);
    }
}

/* Texts in slots: all of a slot is copied. What is too much of it is written over by the rest of the
   line, if that is long enough; else, what stood behind the line's end is put back. */
static inline __attribute__((always_inline)) void put_slots(const Item *item, u64 count, char **at,
                                                            char *const *ends, const u64 width)
{
    const unsigned char *texts = item->table->texts;
    const u64 *reg = item->reg;
    const int fits = item->fits;
    for (u64 k = 0; k < count; k++) {
        const unsigned char *slot = texts + reg[k] * width;
        char *to = at[k], behind[32] = {0};
        if (!fits)
            memcpy(behind, ends[k], width);
        memcpy(to, slot, width);
        if (!fits)
            memcpy(ends[k], behind, width);
        at[k] = to + slot[width - 1];
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
            lengths[k] += t->texts[(reg[k] + 1) * t->width - 1];
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

/* Lines of several widths, from `start` on; returns where they end. */
static char *put_lines(const Output *output, u64 first, u64 count, char *start)
{
    u64 lengths[TILE];
    char *at[TILE], *ends[TILE];
    measure_lines(output, lengths);
    for (u64 k = 0; k < count; k++) {
        at[k] = start;
        ends[k] = start += lengths[k];
        output->ends[first + k] = (u64)(start - output->start);
    }
    const Places to = {NULL, 0, count, at};
    for (const Item *item = output->items; item < output->items + output->count; item++) {
        if (item->kind != TEXT || item->table->kind == FIXED) {
            put_item(item, &to);
        } else if (item->table->kind == LONG) {
            for (u64 k = 0; k < count; k++) {
                u64 size;
                const unsigned char *text = text_of(item->table, item->reg[k], &size);
                memcpy(place(&to, k, size), text, size);
            }
        } else if (item->table->width == 16) {
            put_slots(item, count, at, ends, 16);
        } else {
            put_slots(item, count, at, ends, 32);
        }
    }
    return start;
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

/* ---------------------------------------------------------------- At the door */

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

static void read_slots(Reader *in, Table *t, u64 size)
{
    need(in, t->width == 16 || t->width == 32, "slots have 16 or 32 bytes");
    need(in, size >= t->rows * t->width, "a table's bytes are too few");
    t->shortest = t->width;
    for (u64 row = 0; row < t->rows && !in->problem; row++) {
        u64 length = t->texts[(row + 1) * t->width - 1];
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
    need(in, !size || product == size || (product - size < lefts && product <= UINT64_MAX),
         "halves are too large");
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
    item->reg = item->is_literal ? self->zeros : self->values + reg * TILE;
    output->sure += item->varies ? 0 : item->longest;
    output->longest += item->longest;
    output->varies |= item->varies;
    need(in, output->longest <= MOST_WIDTH, "a line is too long");
}

static void *made(u64 count, size_t size)
{
    return PyMem_Calloc(count ? count : 1, size);
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
    need(in, self->registers && self->registers <= most && self->tables_count <= most
             && self->steps_count <= most && self->outputs_count <= most, "it ends too early");
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
    self->values = made(self->registers * TILE, sizeof(u64));
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

/* ---------------------------------------------------------------- The type */

static PyObject *renderer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    char *words;
    Py_ssize_t size, capacity;
    PyObject *program, *blobs;
    static char *names[] = {"program", "tables", "capacity", NULL};
    /* No "y#": built with 3.13's headers or later, it would not work on 3.12 and earlier. */
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "SO!n", names, &program, &PyTuple_Type, &blobs,
                                     &capacity)
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
    for (u64 k = 0; self->tables && k < self->tables_count; k++)
        PyMem_Free(self->tables[k].luhn);
    PyMem_Free(self->words);
    PyMem_Free(self->values);
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
