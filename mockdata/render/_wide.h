/* The same steps, eight records at a time: a part of _native.c, for processors with AVX-512.

   What is here computes what _steps.h computes, word for word, and is chosen when a renderer is
   made, by what the processor says of itself. Steps that look texts up are not here: eight loads one
   by one are as fast. Nothing is read or written but the tile's registers, and a suffix's place. */

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define AVX __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define INLINE static inline __attribute__((always_inline)) AVX

typedef u64 Eight __attribute__((vector_size(64)));
typedef signed char Texts __attribute__((vector_size(64)));

static int is_wide(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
           && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}

INLINE Eight load(const u64 *from)
{
    Eight words;
    memcpy(&words, from, sizeof words);
    return words;
}

INLINE void store(u64 *to, Eight words) { memcpy(to, &words, sizeof words); }

INLINE Eight all(u64 word) { return (Eight)_mm512_set1_epi64((long long)word); }

/* The products of the words' lower halves. */
INLINE Eight product(Eight a, Eight b) { return (Eight)_mm512_mul_epu32((__m512i)a, (__m512i)b); }

/* `high`, by halves; `b` is below 2**32 if `is_short`. No sum wraps: (2**32 - 1)**2 leaves room for
   two more halves. */
INLINE Eight high_of(Eight a, u64 b, const int is_short)
{
    const Eight low = all(b), a_top = a >> 32;
    Eight middle = product(a_top, low) + (product(a, low) >> 32);
    if (is_short)
        return middle >> 32;
    const Eight top = all(b >> 32);
    Eight other = product(a, top) + (middle & 0xFFFFFFFF);
    return product(a_top, top) + (middle >> 32) + (other >> 32);
}

INLINE Eight mixed_eight(Eight h)
{
    h = (h ^ h >> 30) * MIX_1;
    h = (h ^ h >> 27) * MIX_2;
    return h ^ h >> 31;
}

INLINE Eight folded_eight(Eight z) { return z ^ z >> 32; }

INLINE Eight divided_eight(Eight n, Divider d)
{
    return d.brief ? n * d.brief >> d.brief_shift : high_of(n, d.factor, 0) >> d.shift;
}

/* `round_of`. Of a modulus of at most 32 bits, the draw's bits above as many others are all that
   counts, and their product with it is a word. A sum below the modulus is the lesser one, since
   without it, it wraps. */
INLINE Eight round_eight(Eight changed, Eight other, Eight key, u64 modulus, int bits,
                         const int is_short)
{
    Eight draw = folded_eight(other * ROUND_1 + key) * ROUND_2;
    if (is_short)
        draw = (draw >> bits) * modulus >> (64 - bits);
    else
        draw = high_of(draw & mask_of(modulus), modulus, 0);
    Eight sum = changed + draw;
    return (Eight)_mm512_min_epu64((__m512i)sum, (__m512i)(sum - modulus));
}

/* Two times eight records at once: one's product is under way while the other's is waited for. */
INLINE void rounds_of(const Step *s, const u64 *tweak, u64 *left, u64 *right, const int is_short)
{
    const u64 *w = s->w, lefts = w[5], rights = w[6];
    const int left_bits = bits_of(lefts), right_bits = bits_of(rights);
    for (int k = 0; k < TILE; k += 16) {
        Eight l = load(left + k), r = load(right + k), added = all(0);
        Eight l2 = load(left + k + 8), r2 = load(right + k + 8), added2 = all(0);
        if (tweak) {
            added = load(tweak + k);
            added2 = load(tweak + k + 8);
        }
        for (const u64 *key = w + 7; key < w + s->count; key += 2) {
            l = round_eight(l, r, added + key[0], lefts, left_bits, is_short);
            l2 = round_eight(l2, r2, added2 + key[0], lefts, left_bits, is_short);
            r = round_eight(r, l, added + key[1], rights, right_bits, is_short);
            r2 = round_eight(r2, l2, added2 + key[1], rights, right_bits, is_short);
        }
        store(left + k, l);
        store(right + k, r);
        store(left + k + 8, l2);
        store(right + k + 8, r2);
    }
}

INLINE int any_reaches(Eight words, u64 limit)
{
    return _mm512_cmpge_epu64_mask((__m512i)words, (__m512i)all(limit)) != 0;
}

AVX static void wide_scatter(const Renderer *self, const Step *s)
{
    const u64 *w = s->w, size = w[4], lefts = w[5], rights = w[6];
    u64 *left = self->values + w[0] * TILE, *right = self->values + w[1] * TILE;
    const u64 *number = self->values + w[2] * TILE;
    const u64 *tweak = w[3] ? self->values + w[3] * TILE : NULL;
    for (int k = 0; k < TILE; k += 8) {
        Eight n = load(number + k);
        if (s->wraps && any_reaches(n, size))
            for (int j = 0; j < 8; j++)
                n[j] %= size;
        Eight top = divided_eight(n, s->divider);
        store(left + k, top);
        store(right + k, n - top * rights);
    }
    if ((lefts | rights) >> 32)
        rounds_of(s, tweak, left, right, 0);
    else
        rounds_of(s, tweak, left, right, 1);
    if (size && (u128)lefts * rights > size)
        walk(s, tweak, left, right);
}

AVX static void wide_split(const Step *s, const u64 *in, u64 *top, u64 *low)
{
    for (int k = 0; k < TILE; k += 8) {
        Eight n = load(in + k), quotient = divided_eight(n, s->divider);
        store(top + k, quotient);
        store(low + k, n - quotient * s->w[3]);
    }
}

AVX static void wide_digit(u64 *fraction, u64 size, u64 *out)
{
    for (int k = 0; k < TILE; k += 8) {
        Eight f = load(fraction + k);
        store(out + k, size >> 32 ? high_of(f << 16, size, 0) : high_of(f << 16, size, 1));
        store(fraction + k, f * size & FRACTION);
    }
}

AVX static void wide_tweak(const Renderer *self, const Step *s, u64 *out)
{
    for (int k = 0; k < TILE; k += 8) {
        Eight z = all(s->w[1]);
        for (u64 j = 2; j < s->count; j++)
            z = folded_eight((z ^ load(self->values + s->w[j] * TILE + k)) * FILL);
        store(out + k, z);
    }
}

/* `pick`. All that is done one by one is to load the buckets. */
AVX static void wide_pick(const Table *t, const u64 *word, u64 lower, u64 *out)
{
    const u64 *buckets = t->buckets;
    const int up = lower ? 32 : 0, down = 63 - (int)t->width;
    for (int k = 0; k < TILE; k += 8)
        store(out + k, load(word + k) << up >> 1 >> down);
    u64 drawn[TILE];
#pragma GCC unroll 4
    for (int k = 0; k < TILE; k++)
        drawn[k] = buckets[out[k]];
    for (int k = 0; k < TILE; k += 8) {
        const Eight bucket = load(drawn + k), draw = load(word + k) << up | 0xFFFFFFFF;
        const __mmask8 is_own = _mm512_cmplt_epu64_mask((__m512i)draw, (__m512i)bucket);
        const Eight other = bucket & (t->pairs ? 0xFFFF : 0xFFFFFFFF);
        const Eight own = t->pairs ? bucket >> 16 & 0xFFFF : load(out + k);
        store(out + k, (Eight)_mm512_mask_blend_epi64(is_own, (__m512i)other, (__m512i)own));
    }
}

/* Runs a step; returns 0 if it is none of those that are here. */
AVX static int wide_run(const Renderer *self, const Step *s)
{
    const u64 *w = s->w;
#define REGISTER(k) (self->values + w[k] * TILE)
#define EACH(expression) \
    do { \
        const u64 *in = REGISTER(1); \
        for (int k = 0; k < TILE; k += 8) { \
            Eight word = load(in + k); \
            store(out + k, (expression)); \
        } \
    } while (0)
    u64 *out = REGISTER(0);
    switch (s->op) {
    case DISTINCT:
        if (w[4] >> 32)
            EACH(high_of(mixed_eight(word * w[3] + w[2]), w[4], 0));
        else
            EACH(high_of(mixed_eight(word * w[3] + w[2]), w[4], 1));
        return 1;
    case PERMUTE: EACH(mixed_eight(word * w[3] + w[2])); return 1;
    case FIRST_WORD: EACH(folded_eight(word * DRAW)); return 1;
    case WORD: EACH(mixed_eight(word + w[2])); return 1;
    case PICK: wide_pick(self->tables + w[3], REGISTER(1), w[2], out); return 1;
    case DRAWN: EACH(word >> 16); return 1;
    case JOIN: EACH(word * w[2] + load(REGISTER(3) + k)); return 1;
    case DIGIT: wide_digit(REGISTER(1), w[2], out); return 1;
    case TWEAK: wide_tweak(self, s, out); return 1;
    case SPLIT:
        if (s->divider.factor)
            wide_split(s, REGISTER(2), out, REGISTER(1));
        return s->divider.factor != 0;
    case SCATTER:
        if (s->divider.factor)
            wide_scatter(self, s);
        return s->divider.factor != 0;
    }
    return 0;
#undef EACH
#undef REGISTER
}

INLINE Texts spelled(__m512i words)
{
    Texts places = (Texts)words;
    return places + 'a' - ((places > 25) & ('a' + 26 - '2'));
}

INLINE u64 suffixes_at(const u64 *hash, Places to, const int where)
{
    u64 first = 0;
    to.where = where;
    for (; first + 8 <= to.count; first += 8) {
        const Eight h = load(hash + first), fill = folded_eight(h * FILL);
        const __m512i low = (__m512i)(h & 0x1F1F1F1F1F1F1F1F);
        const __m512i top = (__m512i)((h >> 5 & 0x0707070707070707) | (fill & 0x1818181818181818));
        const Texts pair[2] = {spelled(_mm512_unpacklo_epi64(low, top)),
                               spelled(_mm512_unpackhi_epi64(low, top))};
#pragma GCC unroll 8
        for (u64 k = 0; k < 8; k++)
            memcpy(place(&to, first + k, 16), (const char *)&pair[k % 2] + k / 2 * 16, 16);
    }
    return first;
}

/* Puts the suffixes of as many hashes as there are eights of; returns how many these are. */
AVX static u64 wide_suffixes(const u64 *hash, Places to)
{
    switch (to.where) {
    case ROWS: return suffixes_at(hash, to, ROWS);
    case MOVING: return suffixes_at(hash, to, MOVING);
    default: return suffixes_at(hash, to, FROM_END);
    }
}
#else
static int is_wide(void) { return 0; }
static int wide_run(const Renderer *self, const Step *s) { return (void)self, (void)s, 0; }
static u64 wide_suffixes(const u64 *hash, Places to) { return (void)hash, (void)to, 0; }
#endif
