"""Golden values for small networks, from NumPy and SciPy alone: python3 Tests/Oracles/layers.py > Tests/Oracles/golden/layers.txt

Householder paths are products of explicit reflection matrices, spectral norms come from scipy.linalg.svdvals, gradients from central
differences in float64. A line is a name and its numbers; a case begins with `case FAMILY`.
"""
import numpy as np
import scipy.linalg

INPUTS, OUTPUTS, WIDTH, RANK, REFLECTORS, BATCH, CAP = 3, 2, 4, 2, 3, 3, 0.3
LABELS = [0, 1, 1]


def blocks(family):
    path = ("layers.0.path.weight", (WIDTH, WIDTH)) if family == "dense" else ("layers.0.path.reflectors", (REFLECTORS, WIDTH))
    return [
        ("embedding.weight", (WIDTH, INPUTS)), ("embedding.bias", (WIDTH,)), path,
        ("layers.0.correction.up", (WIDTH, RANK)), ("layers.0.correction.down", (RANK, WIDTH)), ("layers.0.correction.bias", (RANK,)),
        ("layers.0.bias", (WIDTH,)), ("readout.weight", (OUTPUTS, WIDTH)), ("readout.bias", (OUTPUTS,)),
    ]


def materialise(family, p):
    if family == "dense":
        return p["layers.0.path.weight"]
    q = np.eye(WIDTH)
    for v in p["layers.0.path.reflectors"]:
        q = q @ (np.eye(WIDTH) - 2 * np.outer(v, v) / (v @ v))
    return q


def loss(family, p, x):
    x0 = p["embedding.weight"] @ x + p["embedding.bias"][:, None]
    up, down = p["layers.0.correction.up"], p["layers.0.correction.down"]
    bound = scipy.linalg.svdvals(up)[0] * scipy.linalg.svdvals(down)[0]
    r = up @ np.tanh(down @ x0 + p["layers.0.correction.bias"][:, None]) * min(1.0, CAP / bound)
    x1 = materialise(family, p) @ x0 + r + p["layers.0.bias"][:, None]
    z = p["readout.weight"] @ x1 + p["readout.bias"][:, None]
    z = z - z.max(axis=0)
    return float(np.sum(np.log(np.exp(z).sum(axis=0)) - z[LABELS, range(BATCH)]))


def line(name, values):
    print(name, " ".join(f"{v:.17g}" for v in np.asarray(values, dtype=np.float64).ravel()))


for family in ["dense", "householder"]:
    rng = np.random.default_rng(7)
    # Rounded to float32 first, so that both sides begin with the same numbers.
    draw = lambda shape: rng.normal(size=shape).astype(np.float32).astype(np.float64)
    p = {name: draw(shape) for name, shape in blocks(family)}
    x = draw((INPUTS, BATCH))
    print("case", family)
    line("inputs", x)
    line("materialised", materialise(family, p))
    line("loss", [loss(family, p, x)])
    for name, _ in blocks(family):
        line(f"parameter:{name}", p[name])
        gradient = np.zeros_like(p[name])
        for index in np.ndindex(p[name].shape):
            old = p[name][index]
            p[name][index] = old + 1e-6
            above = loss(family, p, x)
            p[name][index] = old - 1e-6
            below = loss(family, p, x)
            p[name][index] = old
            gradient[index] = (above - below) / 2e-6
        line(f"gradient:{name}", gradient)
