#pragma once
// exp and tanh of sixteen floats. The polynomials are Chebyshev interpolants computed for Plumb on the reduced ranges; relative
// errors 1.0e-8 (exp) and 4.2e-9 (tanh) before rounding.
#include "Lanes.h"

/// 2^n for −126 ≤ n ≤ 127.
INLINE floats power_of_two(ints n) { return (floats)((n + 127) << 23); }

/// e^x = 2^n · (1 + r + r² P(r)), x = n ln 2 + r; `mantissa` receives the bracket. For |x| < 2^13.
INLINE ints reduce_exp(floats x, floats *mantissa) {
    const float shift = 0x1.8p23f;  // adding it rounds to the nearest integer, held in the low bits
    const float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;  // n · ln2_high is exact
    floats shifted = x * 0x1.715476p0f + shift;
    ints n = (ints)shifted - (ints)splat(shift);
    floats k = shifted - shift;
    floats r = (x - k * ln2_high) - k * ln2_low;
    floats p = r * 0.001392637612298131f + 0.008363333530724049f;
    p = p * r + 0.04166655242443085f;
    p = p * r + 0.16666576266288757f;
    p = p * r + 0.5f;
    *mantissa = 1.0f + (r + r * r * p);
    return n;
}

/// Overflows to infinity, underflows through the denormals to zero; a NaN stays.
INLINE floats exp_lanes(floats x) {
    floats clamped = select(x > 89.0f, splat(89.0f), x);
    clamped = select(clamped < -104.0f, splat(-104.0f), clamped);
    floats mantissa;
    ints n = reduce_exp(clamped, &mantissa);
    ints half = n >> 1;  // in two factors, because 2^n itself may be no normal float
    floats result = mantissa * power_of_two(half) * power_of_two(n - half);
    return select(x != x, x, result);
}

/// x + x³ P(x²) below 0.625, ±(1 − 2 / (e^{2|x|} + 1)) from there; a NaN stays.
INLINE floats tanh_lanes(floats x) {
    ints sign = (ints)x & INT32_MIN;
    floats a = (floats)((ints)x & INT32_MAX);
    floats z = a * a;
    floats p = z * 0.002292744815349579f - 0.008343945257365704f;
    p = p * z + 0.02176891826093197f;
    p = p * z - 0.053959257900714874f;
    p = p * z + 0.13333304226398468f;
    p = p * z - 0.3333333432674408f;
    floats near = a + a * z * p;

    floats bounded = select(a > 10.0f, splat(10.0f), a);  // tanh(10) rounds to 1
    floats mantissa;
    ints n = reduce_exp(bounded + bounded, &mantissa);
    floats far = 1.0f - 2.0f / (mantissa * power_of_two(n) + 1.0f);

    floats result = (floats)((ints)select(a < 0.625f, near, far) | sign);
    return select(x != x, x, result);
}

INLINE floats relu_lanes(floats x) { return select(x <= 0.0f, splat(0.0f), x); }  // a NaN compares false and stays
