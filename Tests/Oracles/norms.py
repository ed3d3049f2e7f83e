"""Largest singular values of matrices by NumPy, and Tracy–Widom quantiles by SciPy, into golden/norms.txt.

    python -m pip install numpy scipy && python Tests/Oracles/norms.py
"""

import pathlib

import numpy
import scipy.optimize
import scipy.special


def draws(count, seed):
    """Sums of four of a linear congruential generator's numbers: the same in every language."""
    state, values = seed, numpy.empty(4 * count)
    for index in range(4 * count):
        state = (state * 1664525 + 1013904223) % 2**32
        values[index] = state / 2**32 - 0.5
    return values.reshape(count, 4).sum(axis=1)


def matrix(kind, seed, rows, columns):
    i, j = numpy.meshgrid(numpy.arange(rows), numpy.arange(columns), indexing="ij")
    if kind == "hadamard":
        return numpy.where(numpy.bitwise_count(i & j) % 2 == 0, 1.0, -1.0)
    noise = draws(rows * columns, seed).reshape(rows, columns)
    if kind == "graded":
        noise *= 2.0 ** -(j % 7)
    if kind == "spiked":
        noise += (i % 5 - 2) * (j % 3 - 1) / 8
    return noise.astype(numpy.float32).astype(numpy.float64)


def norms():
    shapes = [(40, 40), (64, 33), (33, 64), (90, 40), (130, 70), (128, 128)]
    cases = [(kind, seed, *shape) for kind in ("noise", "graded", "spiked") for shape in shapes for seed in range(1, 5)]
    cases += [("hadamard", 0, 64, 64), ("hadamard", 0, 128, 128), ("noise", 1, 300, 200)]
    for case in cases:
        yield "norm {} {} {} {} {:.15g}".format(*case, numpy.linalg.svd(matrix(*case), compute_uv=False)[0])


def upper_tail(s):
    """1 − F₁(s) by Ferrari and Spohn's determinant on Gauss and Legendre's nodes (Bornemann, 2010)."""
    nodes, weights = numpy.polynomial.legendre.leggauss(60)
    x, w = s + 8 * (nodes + 1), numpy.sqrt(8 * weights)
    kernel = scipy.special.airy((x[:, None] + x[None, :]) / 2)[0] / 2
    return 1 - numpy.linalg.det(numpy.eye(60) - w[:, None] * kernel * w[None, :])


def quantiles():
    for matrices in (1, 3, 9, 25, 49, 121, 1000, 10000):
        root = scipy.optimize.brentq(lambda s: numpy.log(upper_tail(s) * matrices / 0.01), 0, 12, xtol=1e-10)
        yield f"quantile {matrices} {root:.9g}"


(pathlib.Path(__file__).parent / "golden" / "norms.txt").write_text("\n".join([*norms(), *quantiles()]) + "\n")
