"""Golden values for small networks, from NumPy and SciPy alone: python3 Tests/Oracles/layers.py > Tests/Oracles/golden/layers.txt

Householder paths are products of explicit reflection matrices, Cayley maps come from scipy.linalg.solve, spectral norms from
scipy.linalg.svdvals, gradients from central differences in float64. A block of state holds the singular vector of numpy.linalg.svd, and
that is its next value too. A line is a name and its numbers; a case begins with `case FAMILY`.
"""
import numpy as np
import scipy.linalg

INPUTS, OUTPUTS, WIDTH, RANK, REFLECTORS, HIDDEN, BATCH, CAP = 3, 2, 4, 2, 3, 3, 3, 0.3
BOUND, EULER_STEP, DAMPING, FLOW_STEP = 0.8, 0.4, 0.1, 1.5
LABELS = [0, 1, 1]


PATHS = {
    "dense": [("weight", (WIDTH, WIDTH))],
    "householder": [("reflectors", (REFLECTORS, WIDTH))],
    "spectral-norm": [("weight", (WIDTH, WIDTH)), ("singular-vector", (WIDTH,))],
    "cayley": [("skew", (WIDTH * (WIDTH - 1) // 2,))],
    "skew-euler": [("skew", (WIDTH * (WIDTH - 1) // 2,)), ("bias", (WIDTH,))],
    "gradient-flow": [("weight", (HIDDEN, WIDTH)), ("bias", (HIDDEN,)), ("singular-vector", (WIDTH,))],
}
STATE = "singular-vector"


def blocks(family):
    return [
        ("embedding.weight", (WIDTH, INPUTS)), ("embedding.bias", (WIDTH,)),
        *[(f"layers.0.path.{name}", shape) for name, shape in PATHS[family]],
        ("layers.0.correction.up", (WIDTH, RANK)), ("layers.0.correction.down", (RANK, WIDTH)), ("layers.0.correction.bias", (RANK,)),
        ("layers.0.bias", (WIDTH,)), ("readout.weight", (OUTPUTS, WIDTH)), ("readout.bias", (OUTPUTS,)),
    ]


def skew(triangle):
    s = np.zeros((WIDTH, WIDTH))
    s[np.triu_indices(WIDTH, 1)] = triangle
    return s - s.T


def path(family, p, x):
    """The path at the columns of x, and its Jacobian at 0."""
    b = {name: p[f"layers.0.path.{name}"] for name, _ in PATHS[family]}
    identity = np.eye(WIDTH)
    if family == "skew-euler":
        k = skew(b["skew"]) - DAMPING * identity
        slope = 1 - np.tanh(b["bias"]) ** 2
        return x + EULER_STEP * np.tanh(k @ x + b["bias"][:, None]), identity + EULER_STEP * slope[:, None] * k
    if family == "gradient-flow":
        w, h = b["weight"], FLOW_STEP / scipy.linalg.svdvals(b["weight"])[0] ** 2
        slope = 1 - np.tanh(b["bias"]) ** 2
        return x - h * w.T @ np.tanh(w @ x + b["bias"][:, None]), identity - h * w.T @ (slope[:, None] * w)
    if family == "dense":
        q = b["weight"]
    elif family == "spectral-norm":
        q = BOUND * b["weight"] / scipy.linalg.svdvals(b["weight"])[0]
    elif family == "cayley":
        a = skew(b["skew"])
        q = scipy.linalg.solve(identity + a, identity - a)
    else:
        q = identity
        for v in b["reflectors"]:
            q = q @ (identity - 2 * np.outer(v, v) / (v @ v))
    return q @ x, q


def loss(family, p, x):
    x0 = p["embedding.weight"] @ x + p["embedding.bias"][:, None]
    up, down = p["layers.0.correction.up"], p["layers.0.correction.down"]
    bound = scipy.linalg.svdvals(up)[0] * scipy.linalg.svdvals(down)[0]
    r = up @ np.tanh(down @ x0 + p["layers.0.correction.bias"][:, None]) * min(1.0, CAP / bound)
    x1 = path(family, p, x0)[0] + r + p["layers.0.bias"][:, None]
    z = p["readout.weight"] @ x1 + p["readout.bias"][:, None]
    z = z - z.max(axis=0)
    return float(np.sum(np.log(np.exp(z).sum(axis=0)) - z[LABELS, range(BATCH)]))


def line(name, values):
    print(name, " ".join(f"{v:.17g}" for v in np.asarray(values, dtype=np.float64).ravel()))


for family in PATHS:
    rng = np.random.default_rng(7)
    # Rounded to float32 first, so that both sides begin with the same numbers.
    draw = lambda shape: rng.normal(size=shape).astype(np.float32).astype(np.float64)
    p = {name: draw(shape) for name, shape in blocks(family)}
    x = draw((INPUTS, BATCH))
    state = f"layers.0.path.{STATE}"
    if state in p:
        p[state] = np.linalg.svd(p["layers.0.path.weight"])[2][0]
    print("case", family)
    line("inputs", x)
    line("materialised", path(family, p, np.zeros((WIDTH, 1)))[1])
    line("loss", [loss(family, p, x)])
    for name, _ in blocks(family):
        line(f"parameter:{name}", p[name])
        if name == state:
            line(f"gradient:{name}", p[name])
            continue
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
