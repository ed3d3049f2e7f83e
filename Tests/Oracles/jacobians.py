"""Figures of matrices and representations by mpmath, NumPy and SciPy, into golden/jacobians.txt.

    python -m pip install numpy scipy mpmath && python Tests/Oracles/jacobians.py
"""

import pathlib

import mpmath
import numpy
import scipy.special


def lattice(rows, columns, salt):
    """A matrix that every language makes alike: multiples of 1/256 between -2 and 2."""
    i, j = numpy.meshgrid(numpy.arange(rows), numpy.arange(columns), indexing="ij")
    seed = 131 * i + 17 * j + 919 * salt + 1
    return (seed**3 % 104729 % 1021 - 510) / 256


def gaussian_law(size, depth):
    for index in range(size):
        half = (size - index) / 2
        exponent = 0.5 * (numpy.log(2 / size) + scipy.special.digamma(half))
        deviation = numpy.sqrt(scipy.special.polygamma(1, half) / (4 * depth))
        yield f"gaussian {index} {exponent:.12g} {deviation:.12g}"


def products():
    mpmath.mp.dps = 400
    for size, depth, scale in [(3, 1, 1), (5, 4, 0.5), (6, 40, 0.25), (4, 120, 2)]:
        product = mpmath.eye(size)
        for layer in range(depth):
            product = mpmath.matrix((lattice(size, size, layer) * scale).tolist()) * product
        values = mpmath.svd_r(product, compute_uv=False)
        decades = [float(mpmath.log10(value)) for value in (values[0], values[size - 1])]
        yield f"product {size} {depth} {scale} {decades[0]:.12g} {decades[1]:.12g}"


def eigenvalues():
    for size, salt in [(1, 2), (2, 1), (5, 3), (12, 4), (33, 5)]:
        values = numpy.linalg.eigvals(lattice(size, size, salt))
        largest = values[numpy.argmax(numpy.abs(values))]
        yield f"radius {size} {salt} {abs(largest):.12g} {numpy.sum(values).real:.12g} {numpy.prod(values).real:.12g}"


def representations():
    def centred(x):
        return x - x.mean(axis=1, keepdims=True)

    for first, second, examples in [(6, 9, 20), (12, 5, 7), (40, 40, 30)]:
        x, y = centred(lattice(first, examples, 1)), centred(lattice(second, examples, 2))
        cka = numpy.linalg.norm(y @ x.T) ** 2 / (numpy.linalg.norm(x @ x.T) * numpy.linalg.norm(y @ y.T))
        spectrum = numpy.linalg.eigvalsh(numpy.cov(x))
        share = spectrum[spectrum > 1e-12 * spectrum.max()] / spectrum.sum()
        effective = numpy.exp(-numpy.sum(share * numpy.log(share)))
        participation = spectrum.sum() ** 2 / numpy.sum(spectrum**2)
        yield f"representation {first} {second} {examples} {cka:.12g} {effective:.12g} {participation:.12g}"


lines = [*gaussian_law(64, 512), *products(), *eigenvalues(), *representations()]
(pathlib.Path(__file__).parent / "golden" / "jacobians.txt").write_text("\n".join(lines) + "\n")
