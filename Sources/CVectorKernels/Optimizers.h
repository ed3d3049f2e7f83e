#pragma once
#include "Lanes.h"

INLINE void momentum_lanes(floats *w, floats *v, floats gradient, struct plumb_momentum s) {
    floats g = gradient * s.gradient_scale + s.weight_decay * *w;
    *v = s.momentum * *v + g;
    *w = *w - s.learning_rate * *v;
}

static void momentum_step(float *w, float *v, const float *gradient, size_t count, struct plumb_momentum settings) {
    floats a, b;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        a = load(w + i), b = load(v + i);
        momentum_lanes(&a, &b, load(gradient + i), settings);
        store(w + i, a), store(v + i, b);
    }
    if (i < count) {
        a = load_some(w + i, count - i), b = load_some(v + i, count - i);
        momentum_lanes(&a, &b, load_some(gradient + i, count - i), settings);
        store_some(w + i, a, count - i), store_some(v + i, b, count - i);
    }
}

INLINE void adam_lanes(floats *w, floats *m, floats *v, floats gradient, struct plumb_adam s) {
    floats g = gradient * s.gradient_scale + s.coupled_decay * *w;
    *m = s.beta1 * *m + (1.0f - s.beta1) * g;
    *v = s.beta2 * *v + (1.0f - s.beta2) * (g * g);
    // The square root is the machine's instruction, exactly rounded; nothing of libm is called.
    floats root = __builtin_elementwise_sqrt(*v / s.second_correction);
    floats direction = (*m / s.first_correction) / (root + s.epsilon) + s.decoupled_decay * *w;
    *w = *w - s.learning_rate * direction;
}

static void adam_step(float *w, float *m, float *v, const float *gradient, size_t count, struct plumb_adam settings) {
    floats a, b, c;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) {
        a = load(w + i), b = load(m + i), c = load(v + i);
        adam_lanes(&a, &b, &c, load(gradient + i), settings);
        store(w + i, a), store(m + i, b), store(v + i, c);
    }
    if (i < count) {
        size_t rest = count - i;
        a = load_some(w + i, rest), b = load_some(m + i, rest), c = load_some(v + i, rest);
        adam_lanes(&a, &b, &c, load_some(gradient + i, rest), settings);
        store_some(w + i, a, rest), store_some(m + i, b, rest), store_some(v + i, c, rest);
    }
}

// The elements until `to` lies on a boundary of 64 bytes, at most `count`.
INLINE size_t before_boundary(const float *to, size_t count) {
    size_t elements = ((64 - ((uintptr_t)to & 63)) & 63) / sizeof(float);
    return elements < count ? elements : count;
}

INLINE void put(float *to, floats value, int past_caches) {
    if (past_caches)
        __builtin_nontemporal_store(value, (floats *)to);
    else
        store(to, value);
}

INLINE floats load_sum(const char *first, const char *second, size_t i) {
    floats sum = load(first + 4 * i);
    return second ? sum + load(second + 4 * i) : sum;
}

INLINE floats load_some_of_sum(const char *first, const char *second, size_t i, size_t count) {
    floats sum = load_some(first + 4 * i, count);
    return second ? sum + load_some(second + 4 * i, count) : sum;
}

INLINE void momentum_some(
    float *next, const float *w, float *v, const char *first, const char *second, size_t i, size_t count,
    struct plumb_momentum settings) {
    floats a = load_some(w + i, count), b = load_some(v + i, count);
    momentum_lanes(&a, &b, load_some_of_sum(first, second, i, count), settings);
    store_some(next + i, a, count), store_some(v + i, b, count);
}

INLINE void momentum_all(
    float *next, const float *w, float *v, const void *first, const void *second, size_t count, struct plumb_momentum settings,
    int past_caches) {
    size_t i = before_boundary(next, count);
    if (i > 0) momentum_some(next, w, v, first, second, 0, i, settings);
    for (; i + LANES <= count; i += LANES) {
        floats a = load(w + i), b = load(v + i);
        momentum_lanes(&a, &b, load_sum(first, second, i), settings);
        put(next + i, a, past_caches), store(v + i, b);
    }
    if (i < count) momentum_some(next, w, v, first, second, i, count - i, settings);
}

static void momentum_step_to(
    float *next, const float *w, float *v, const void *first, const void *second, size_t count, struct plumb_momentum settings) {
    momentum_all(next, w, v, first, second, count, settings, 1);
}

static void momentum_step_near(
    float *next, const float *w, float *v, const void *first, const void *second, size_t count, struct plumb_momentum settings) {
    momentum_all(next, w, v, first, second, count, settings, 0);
}

INLINE void adam_some(
    float *next, const float *w, float *m, float *v, const char *first, const char *second, size_t i, size_t count,
    struct plumb_adam settings) {
    floats a = load_some(w + i, count), b = load_some(m + i, count), c = load_some(v + i, count);
    adam_lanes(&a, &b, &c, load_some_of_sum(first, second, i, count), settings);
    store_some(next + i, a, count), store_some(m + i, b, count), store_some(v + i, c, count);
}

INLINE void adam_all(
    float *next, const float *w, float *m, float *v, const void *first, const void *second, size_t count,
    struct plumb_adam settings, int past_caches) {
    size_t i = before_boundary(next, count);
    if (i > 0) adam_some(next, w, m, v, first, second, 0, i, settings);
    for (; i + LANES <= count; i += LANES) {
        floats a = load(w + i), b = load(m + i), c = load(v + i);
        adam_lanes(&a, &b, &c, load_sum(first, second, i), settings);
        put(next + i, a, past_caches), store(m + i, b), store(v + i, c);
    }
    if (i < count) adam_some(next, w, m, v, first, second, i, count - i, settings);
}

static void adam_step_to(
    float *next, const float *w, float *m, float *v, const void *first, const void *second, size_t count,
    struct plumb_adam settings) {
    adam_all(next, w, m, v, first, second, count, settings, 1);
}

static void adam_step_near(
    float *next, const float *w, float *m, float *v, const void *first, const void *second, size_t count,
    struct plumb_adam settings) {
    adam_all(next, w, m, v, first, second, count, settings, 0);
}

static void sum_to(float *to, const void *first, const void *second, size_t count) {
    const char *a = first, *b = second;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES) store(to + i, load_sum(a, b, i));
    if (i < count) store_some(to + i, load_some_of_sum(a, b, i, count - i), count - i);
}
