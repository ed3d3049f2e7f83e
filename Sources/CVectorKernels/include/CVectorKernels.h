#pragma once
#include <stddef.h>
#include <stdint.h>

// Vector kernels in several versions, one per instruction set, all with the same bits: no libm, no contraction to fused
// multiply-add, sums over 16 lanes in one order, tails through the same arithmetic as the body. (The payload of a NaN is not part of this.)
// Pointers may have any alignment; counts may be zero; no two operands overlap.

enum { PLUMB_CHECKSUM_LANES = 64, PLUMB_CHECKSUM_STRIDE = 4 * PLUMB_CHECKSUM_LANES };

enum plumb_activation { plumb_activation_none = 0, plumb_activation_relu = 1, plumb_activation_tanh = 2 };

struct plumb_momentum {
    float learning_rate, momentum, gradient_scale, weight_decay;
};

struct plumb_adam {
    float learning_rate, beta1, beta2, epsilon, first_correction, second_correction, gradient_scale, coupled_decay, decoupled_decay;
};

struct plumb_vector_kernels {
    // y += x, y -= x, y *= x, y *= a, y += a·x
    void (*_Nonnull add)(float *_Nonnull y, const void *_Nonnull x, size_t count);
    void (*_Nonnull subtract)(float *_Nonnull y, const float *_Nonnull x, size_t count);
    void (*_Nonnull multiply)(float *_Nonnull y, const float *_Nonnull x, size_t count);
    void (*_Nonnull scale)(float *_Nonnull y, float a, size_t count);
    void (*_Nonnull axpy)(float *_Nonnull y, float a, const float *_Nonnull x, size_t count);

    // y = exp(y), y = tanh(y)
    void (*_Nonnull exp)(float *_Nonnull y, size_t count);
    void (*_Nonnull tanh)(float *_Nonnull y, size_t count);

    // z[i, :] = activation(z[i, :] + bias[i]); a null bias adds nothing.
    void (*_Nonnull add_bias)(
        float *_Nonnull z, size_t rows, size_t columns, const float *_Nullable bias, enum plumb_activation activation);
    // g *= activation'(·), written with the activation's output y
    void (*_Nonnull multiply_by_derivative)(
        float *_Nonnull g, const float *_Nonnull y, size_t count, enum plumb_activation activation);

    // sums[i] = Σ_b g[i, b], or sums[i] += Σ_b g[i, b]
    void (*_Nonnull row_sums)(float *_Nonnull sums, const float *_Nonnull g, size_t rows, size_t columns, int accumulate);
    // sums[b] = Σ_i x[i, b]², rows in ascending order
    void (*_Nonnull column_sums_of_squares)(double *_Nonnull sums, const float *_Nonnull x, size_t rows, size_t columns);
    double (*_Nonnull sum_of_squares)(const float *_Nonnull x, size_t count);
    double (*_Nonnull dot)(const float *_Nonnull x, const float *_Nonnull y, size_t count);
    // y[i] = Σ_b a[i, b]·x[b] in float, each row's sum by lanes; short rows, as float adds up
    void (*_Nonnull row_products)(
        float *_Nonnull y, const float *_Nonnull a, const float *_Nonnull x, size_t rows, size_t columns);
    // packed[i] ≈ x[i] / the scale returned, which is not finite when an x is not; `count` a multiple of 16, as `columns` below
    float (*_Nonnull pack)(int16_t *_Nonnull packed, const float *_Nonnull x, size_t count);
    // y[i] = scales[i]·Σ_b rows[i, b]·x[b] in float
    void (*_Nonnull packed_products)(
        float *_Nonnull y, const int16_t *_Nonnull rows, const float *_Nonnull scales, const float *_Nonnull x, size_t count,
        size_t columns);
    // y[b] -= c[i]·scales[i]·rows[i, b], rows in ascending order
    void (*_Nonnull subtract_packed)(
        float *_Nonnull y, const int16_t *_Nonnull rows, const float *_Nonnull scales, const float *_Nonnull c, size_t count,
        size_t columns);
    float (*_Nonnull maximum_magnitude)(const float *_Nonnull x, size_t count);
    uint32_t (*_Nonnull checksum)(const void *_Nonnull bytes, size_t count);
    // The same piece by piece: a state, whole strides added to it in order, and what is left after them, of `count` bytes in all.
    void (*_Nonnull checksum_begin)(uint32_t *_Nonnull state);
    void (*_Nonnull checksum_add)(uint32_t *_Nonnull state, const void *_Nonnull bytes, size_t count);
    uint32_t (*_Nonnull checksum_end)(uint32_t *_Nonnull state, const void *_Nullable rest, size_t left, size_t count);

    // to[2i] and to[2i + 1]: the lower and the upper half of what Philox 4×32-10 makes of the counter (first + i, stream)
    void (*_Nonnull philox)(uint64_t *_Nonnull to, size_t count, uint64_t first, uint64_t stream, uint64_t key);

    void (*_Nonnull momentum_step)(
        float *_Nonnull w, float *_Nonnull v, const float *_Nonnull gradient, size_t count, struct plumb_momentum settings);
    void (*_Nonnull adam_step)(
        float *_Nonnull w, float *_Nonnull m, float *_Nonnull v, const float *_Nonnull gradient, size_t count,
        struct plumb_adam settings);
    // The same from w to next, by the sum of two gradients, the second of which may be null; next is written past the caches, so what
    // it holds is visible to others after plumb_streaming_finish. The gradients may have any alignment of their bytes.
    void (*_Nonnull momentum_step_to)(
        float *_Nonnull next, const float *_Nonnull w, float *_Nonnull v, const void *_Nonnull first, const void *_Nullable second,
        size_t count, struct plumb_momentum settings);
    void (*_Nonnull adam_step_to)(
        float *_Nonnull next, const float *_Nonnull w, float *_Nonnull m, float *_Nonnull v, const void *_Nonnull first,
        const void *_Nullable second, size_t count, struct plumb_adam settings);
    // The same, but next is written as usual, for whoever reads it on this core.
    void (*_Nonnull momentum_step_near)(
        float *_Nonnull next, const float *_Nonnull w, float *_Nonnull v, const void *_Nonnull first, const void *_Nullable second,
        size_t count, struct plumb_momentum settings);
    void (*_Nonnull adam_step_near)(
        float *_Nonnull next, const float *_Nonnull w, float *_Nonnull m, float *_Nonnull v, const void *_Nonnull first,
        const void *_Nullable second, size_t count, struct plumb_adam settings);
    // to = first + second, or first; any alignment of their bytes
    void (*_Nonnull sum_to)(float *_Nonnull to, const void *_Nonnull first, const void *_Nullable second, size_t count);
    // to[j, i] = from[i, j], i < rows, j < columns; a row of either is its stride after the one before
    void (*_Nonnull transpose)(
        float *_Nonnull to, size_t to_stride, const float *_Nonnull from, size_t from_stride, size_t rows, size_t columns);
} __attribute__((swift_attr("@Sendable")));

// partners[i], uniform below bound − i, for i = 0, 1, … count − 1 in turn, from the random numbers at *used and on; returns for how many
// `available` numbers sufficed, and moves *used on.
ptrdiff_t plumb_draw_partners(
    const uint64_t *_Nonnull numbers, ptrdiff_t available, ptrdiff_t *_Nonnull used, uint64_t bound, ptrdiff_t *_Nonnull partners,
    ptrdiff_t count);

// Exchanges x[last − i] with x[partners[i]], 0 ≤ partners[i] ≤ last − i, for i = 0, 1, … count − 1 in turn.
void plumb_exchange(float *_Nonnull x, ptrdiff_t last, const ptrdiff_t *_Nonnull partners, ptrdiff_t count);

// The eigenvalues of two symmetric tridiagonal matrices, in no order, in the place of their diagonals [n]; `e`: [n], the squares of the
// others' elements, used up, the last not read. All of a size that float64's squares do not leave. The sum of 1 if the first
// matrix' are found and 2 if the second's are: an iteration may stop.
int plumb_tridiagonal_eigenvalues(
    double *_Nonnull d, double *_Nonnull e, size_t n, double *_Nonnull other_d, double *_Nonnull other_e, size_t other_n);

// Copies past the caches, from any alignment, for what another core reads next; what has been written so is visible to others after `finish`.
void plumb_streaming_copy(float *_Nonnull to, const void *_Nonnull from, size_t count);
void plumb_streaming_finish(void);

enum plumb_instruction_set { plumb_baseline = 0, plumb_haswell = 1, plumb_skylake_avx512 = 2 };

/// The kernels compiled for `set`, or null when this machine (or this build) cannot run them.
const struct plumb_vector_kernels *_Nullable plumb_vector_kernels_for(enum plumb_instruction_set set);

/// The fastest kernels this machine can run.
const struct plumb_vector_kernels *_Nonnull plumb_vector_kernels_best(void);
