/* What steps compute, a tile of records at a time: a part of _native.c. */

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
   words, and d = 1, are divided as usual: `factor` is 0.

   The same with p = the bits of the largest n and those of d: m = 2**p / d rounded up, and m * d -
   2**p is below d; n * m >> p is n / d, since n times d is below 2**p. If n has 31 bits at most, n *
   m is below 2**64. */
static Divider divider(u64 by, u64 bound)
{
    Divider d = {.by = by};
    if (by < 2 || bound >= HALF_WORDS)
        return d;
    d.shift = bits_of(by) - 1;
    if (by == (u64)1 << d.shift)
        d.shift -= 1;
    d.factor = (u64)((((u128)1 << (64 + d.shift)) + by - 1) / by);
    if ((bound | by) >> 31 == 0) {
        d.brief_shift = bits_of(bound) + bits_of(by);
        d.brief = (((u64)1 << d.brief_shift) + by - 1) / by;
    }
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

enum { ODD = 16 };

/* A text's part in a Luhn sum, modulo 10, where an odd number of digits stands behind it, or an even
   one; and ODD if it has an odd number of digits itself. */
static unsigned luhn_of(const unsigned char *text, u64 size, unsigned behind)
{
    unsigned sum = 0, odd = behind;
    while (size--) {
        unsigned digit = (unsigned)text[size] - '0';
        if (digit > 9)
            continue;
        sum += odd ? digit : 2 * digit - 9 * (digit > 4);
        odd ^= 1;
    }
    return sum % 10 | (odd ^ behind) * ODD;
}

static const unsigned char *text_of(const Table *table, u64 row, u64 *size)
{
    const unsigned char *slot = table->texts + row * table->width;
    if (table->kind == LONG) {
        *size = table->offsets[row + 1] - table->offsets[row];
        return table->texts + table->offsets[row];
    }
    *size = table->kind == SLOTS ? table->lengths[row] : table->width;
    return slot;
}

static int make_luhn(Table *table)
{
    if (table->luhn)
        return 0;
    table->luhn = PyMem_Calloc(2 * table->rows, 1);
    if (!table->luhn)
        return -1;
    for (u64 row = 0; row < table->rows; row++) {
        u64 size;
        const unsigned char *text = text_of(table, row, &size);
        for (unsigned odd = 0; odd < 2; odd++)
            table->luhn[odd * table->rows + row] = (unsigned char)luhn_of(text, size, odd);
        const int parity = table->luhn[row] / ODD;
        table->parity = !row || parity == table->parity ? parity : -1;
    }
    return 0;
}

static unsigned luhn_of_word(u64 kind, u64 word, unsigned behind)
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
    return luhn_of(text, size, behind);
}

/* As long as all rows of the terms so far have the same parity, `odd` is it; then it is -1. What
   literals add is the same for every record, and so is what ODD does then: it is taken off again.
   The sums are below 2**32, since a program has fewer terms. */
static void check_digits(const Renderer *self, const Step *s, u64 *restrict out)
{
    unsigned char odds[TILE];
    uint32_t sums[TILE] = {0}, sum = 0;
    int odd = 0;
    for (const u64 *w = s->w + 1; w < s->w + s->count; w += 3) {
        const Table *t = w[0] == TEXT ? self->tables + w[2] : NULL;
        const u64 *in = t && !w[1] ? self->zeros : self->values + w[1] * TILE;
        if (odd >= 0 && t && t->parity >= 0) {
            const unsigned char *luhn = t->luhn + (odd ? t->rows : 0);
            sum -= (uint32_t)t->parity * ODD;
            if (!w[1])
                sum += luhn[0];
            else
#pragma GCC unroll 4
                for (int k = 0; k < TILE; k++)
                    sums[k] += luhn[in[k]];
            odd ^= t->parity;
            continue;
        }
        if (odd >= 0)
            memset(odds, odd, TILE);
        odd = -1;
        for (int k = 0; k < TILE; k++) {
            unsigned part = t ? t->luhn[odds[k] * t->rows + in[k]]
                              : luhn_of_word(w[0], in[k], odds[k]);
            sums[k] += part % ODD;
            odds[k] ^= (unsigned char)(part / ODD);
        }
    }
    for (int k = 0; k < TILE; k++)
        out[k] = (10 - (sums[k] + sum) % 10) % 10;
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
