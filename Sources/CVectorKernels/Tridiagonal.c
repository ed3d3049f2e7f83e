#include "CVectorKernels.h"
#include <float.h>

#pragma clang fp contract(off)

// One matrix on its way: QL sweeps from row m up to row l, without square roots (Pal, Walker and Kahan's form; Parlett, 1998, sec. 8.15).
struct sweep {
    double *d, *e;
    ptrdiff_t n, l, m, i;
    // The rotation, γ, γ²/c and the shift of the sweep at hand.
    double c, s, gamma, p, shift;
    ptrdiff_t sweeps;
};

// Of a matrix of about 1 in size: 1e-145 moves no eigenvalue, and 1/r of a row that has a smaller square could overflow.
static int is_negligible(double square, double a, double b) {
    const double unit = DBL_EPSILON / 2;
    return square <= 1e-290 || square <= unit * unit * __builtin_fabs(a * b);
}

static void solve_two(double *d, double *e) {
    double half = (d[1] - d[0]) / 2, middle = (d[0] + d[1]) / 2;
    double radius = __builtin_sqrt(half * half + *e);
    d[0] = middle - radius;
    d[1] = middle + radius;
    *e = 0;
}

// Sets out on the next sweep; 0 when there is none, and all is found.
static int begin(struct sweep *x) {
    while (x->l < x->n) {
        ptrdiff_t l = x->l, m = l;
        while (m < x->n - 1 && !is_negligible(x->e[m], x->d[m], x->d[m + 1])) m++;
        if (m < x->n - 1) x->e[m] = 0;
        if (m <= l + 1) {
            if (m == l + 1) solve_two(x->d + l, x->e + l);
            x->l = m + 1;
            continue;
        }
        if (x->sweeps++ == 30 * x->n) return 0;
        double root = __builtin_sqrt(x->e[l]), ratio = (x->d[l + 1] - x->d[l]) / (2 * root);
        double length = __builtin_sqrt(ratio * ratio + 1);
        x->shift = x->d[l] - root / (ratio + __builtin_copysign(length, ratio));
        x->m = m;
        x->i = m - 1;
        x->c = 1;
        x->s = 0;
        x->gamma = x->d[m] - x->shift;
        x->p = x->gamma * x->gamma;
        return 1;
    }
    return 0;
}

// One row; 1/r and 1/p do not wait for each other. With p so small that 1/p would overflow, γ²/c is taken as it stands.
static inline __attribute__((always_inline)) void advance(struct sweep *x, ptrdiff_t m) {
    double square = x->e[x->i], r = x->p + square;
    if (x->i != m - 1) x->e[x->i + 1] = x->s * r;
    double inverse = 1 / r, before = x->c, old = x->gamma, alpha = x->d[x->i];
    double reciprocal = r / x->p;
    x->c = x->p * inverse;
    x->s = square * inverse;
    x->gamma = x->c * (alpha - x->shift) - x->s * old;
    x->d[x->i + 1] = old + (alpha - x->gamma);
    if (x->p > 1e-280)
        x->p = x->gamma * x->gamma * reciprocal;
    else
        x->p = x->c != 0 ? x->gamma * x->gamma / x->c : before * square;
    x->i--;
}

static void advance_one(struct sweep *x, ptrdiff_t rows) {
    struct sweep a = *x;
    while (rows-- > 0) advance(&a, a.m);
    *x = a;
}

// Two matrices by turns: one's divisions fill the time that the other's take.
static void advance_two(struct sweep *x, struct sweep *y, ptrdiff_t rows) {
    struct sweep a = *x, b = *y;
    while (rows-- > 0) {
        advance(&a, a.m);
        advance(&b, b.m);
    }
    *x = a;
    *y = b;
}

static ptrdiff_t rows_left(const struct sweep *x) { return x->i - x->l + 1; }

static int finish(struct sweep *x) {
    if (rows_left(x) > 0) return 1;
    x->e[x->l] = x->s * x->p;
    x->d[x->l] = x->shift + x->gamma;
    return begin(x);
}

int plumb_tridiagonal_eigenvalues(double *d, double *e, size_t n, double *other_d, double *other_e, size_t other_n) {
    struct sweep x = {.d = d, .e = e, .n = (ptrdiff_t)n}, y = {.d = other_d, .e = other_e, .n = (ptrdiff_t)other_n};
    int busy = begin(&x), other = begin(&y);
    while (busy || other) {
        ptrdiff_t rows = rows_left(&x), other_rows = rows_left(&y);
        if (busy && other)
            advance_two(&x, &y, rows < other_rows ? rows : other_rows);
        else if (busy)
            advance_one(&x, rows);
        else
            advance_one(&y, other_rows);
        if (busy) busy = finish(&x);
        if (other) other = finish(&y);
    }
    return (x.l >= x.n ? 1 : 0) | (y.l >= y.n ? 2 : 0);
}
