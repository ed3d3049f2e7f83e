#pragma once
// A matrix turned over, in tiles of sixteen rows and columns.
#include "Lanes.h"

// Of `count` rows in steps of `distance`: the elements of the first whose column has the bit change places with those of the second whose
// column has not.
#define EXCHANGE(distance, first, second)                                                                     \
    for (int i = 0; i < LANES; i++) {                                                                         \
        if (i & (distance)) continue;                                                                         \
        floats low = row[i], high = row[i + (distance)];                                                      \
        row[i] = __builtin_shufflevector(low, high, first);                                                   \
        row[i + (distance)] = __builtin_shufflevector(low, high, second);                                     \
    }
#define LIST(...) __VA_ARGS__

INLINE void transpose_tile(float *to, size_t to_stride, const float *from, size_t from_stride) {
    floats row[LANES];
    for (int i = 0; i < LANES; i++) row[i] = load(from + i * from_stride);
    EXCHANGE(8, LIST(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23), LIST(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31))
    EXCHANGE(4, LIST(0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27), LIST(4, 5, 6, 7, 20, 21, 22, 23, 12, 13, 14, 15, 28, 29, 30, 31))
    EXCHANGE(2, LIST(0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29), LIST(2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31))
    EXCHANGE(1, LIST(0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30), LIST(1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15, 31))
    for (int i = 0; i < LANES; i++) store(to + i * to_stride, row[i]);
}

static void transpose(float *to, size_t to_stride, const float *from, size_t from_stride, size_t rows, size_t columns) {
    size_t whole_rows = rows - rows % LANES, whole_columns = columns - columns % LANES;
    for (size_t i = 0; i < whole_rows; i += LANES)
        for (size_t j = 0; j < whole_columns; j += LANES) {
            const float *tile = from + i * from_stride + j;
            // The tile below: its rows are too far apart for the machine to see them coming.
            for (size_t row = LANES; row < 2 * LANES; row++) __builtin_prefetch(tile + row * from_stride);
            transpose_tile(to + j * to_stride + i, to_stride, tile, from_stride);
        }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = i < whole_rows ? whole_columns : 0; j < columns; j++) to[j * to_stride + i] = from[i * from_stride + j];
}
