"""Power-law tails as weightwatcher 0.7.7 fits them, into golden/tails.txt.

    python -m pip install weightwatcher==0.7.7 && python Tests/Oracles/tails.py
"""

import pathlib

import numpy
from weightwatcher.WW_powerlaw import pl_fit


def case(name, rows, columns, singular_values):
    eigenvalues = singular_values**2
    kept = numpy.sort(eigenvalues[eigenvalues > 1e-5])
    fit = pl_fit(data=kept, xmin=None)
    figures = {
        "alpha": fit.alpha,
        "xmin": fit.xmin,
        "D": fit.D,
        "sigma": fit.sigma,
        "num_pl_spikes": numpy.count_nonzero(eigenvalues >= fit.xmin),
        "alpha_weighted": fit.alpha * numpy.log10(eigenvalues.max()),
        "log_alpha_norm": numpy.log10(numpy.sum(kept**fit.alpha)),
    }
    yield f"case {name} {rows} {columns}"
    yield "singularValues " + " ".join(repr(float(value)) for value in singular_values)
    yield from (f"{key} {float(value):.12g}" for key, value in figures.items())


def cases():
    random = numpy.random.default_rng(0)
    for rows, columns in [(9, 7), (12, 12), (40, 19), (20, 20), (60, 60), (120, 40)]:
        matrix = random.standard_normal((rows, columns)) / numpy.sqrt(rows)
        values = numpy.linalg.svd(matrix, compute_uv=False).astype(numpy.float32).astype(numpy.float64)
        yield from case("gaussian", rows, columns, values)
    for alpha, count in [(1.5, 80), (2.5, 80), (4, 16)]:
        values = numpy.sqrt((1 - random.random(count)) ** (1 / (1 - alpha))).astype(numpy.float32).astype(numpy.float64)
        yield from case("pareto", count, count, values)
    tiny = numpy.linspace(1e-4, 3, 64).astype(numpy.float32).astype(numpy.float64)
    yield from case("below-the-floor", 64, 64, tiny)


text = "\n".join(cases()) + "\n"
(pathlib.Path(__file__).parent / "golden" / "tails.txt").write_text(text)
