#pragma once
// Philox 4×32-10 (Salmon et al., SC 2011), sixteen counters at a time.
#include "Lanes.h"

typedef uint64_t longs __attribute__((vector_size(64)));

/// The upper and the lower half of the 64-bit products x·factor, by lane.
INLINE void multiply_full(words x, uint32_t factor, words *upper, words *lower) {
    longs pairs = (longs)x;
    longs even = (pairs & 0xFFFFFFFFu) * factor, odd = (pairs >> 32) * factor;
    *lower = (words)((even & 0xFFFFFFFFu) | (odd << 32));
    *upper = (words)((even >> 32) | (odd & 0xFFFFFFFF00000000u));
}

/// The ten rounds on counters (a, b, c, d) by lane.
INLINE void philox_rounds(words *a, words *b, words *c, words *d, uint64_t key) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; round++) {
        words left_upper, left_lower, right_upper, right_lower;
        multiply_full(*a, 0xD2511F53u, &left_upper, &left_lower);
        multiply_full(*c, 0xCD9E8D57u, &right_upper, &right_lower);
        *a = right_upper ^ *b ^ k0;
        *b = right_lower;
        *c = left_upper ^ *d ^ k1;
        *d = left_lower;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
}

/// Blocks first … first + 15 as 32 numbers of 64 bits.
INLINE void philox_blocks(uint64_t *to, uint64_t first, uint64_t stream, uint64_t key) {
    words a, b;
    for (int lane = 0; lane < LANES; lane++) {
        a[lane] = (uint32_t)(first + (uint64_t)lane);
        b[lane] = (uint32_t)((first + (uint64_t)lane) >> 32);
    }
    words c = (words){0} + (uint32_t)stream, d = (words){0} + (uint32_t)(stream >> 32);
    philox_rounds(&a, &b, &c, &d, key);
    for (int lane = 0; lane < LANES; lane++) {
        to[2 * lane] = (uint64_t)b[lane] << 32 | a[lane];
        to[2 * lane + 1] = (uint64_t)d[lane] << 32 | c[lane];
    }
}

static void philox(uint64_t *to, size_t count, uint64_t first, uint64_t stream, uint64_t key) {
    enum { group = 2 * LANES };
    for (; count >= group; count -= group, to += group, first += LANES) philox_blocks(to, first, stream, key);
    if (count > 0) {
        uint64_t last[group];
        philox_blocks(last, first, stream, key);
        memcpy(to, last, count * sizeof(uint64_t));
    }
}
