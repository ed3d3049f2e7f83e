"""Golden values for small networks, from NumPy and SciPy alone: python3 Tests/Oracles/layers.py > Tests/Oracles/golden/layers.txt

Householder paths are products of explicit reflection matrices, Cayley maps come from scipy.linalg.solve, spectral norms from
scipy.linalg.svdvals, gradients from central differences in float64. A block of state holds the singular vector of numpy.linalg.svd, and
that is its next value too. A line is a name and its numbers; a case begins with `case FAMILY`.
"""
import numpy as np
import scipy.linalg
import scipy.special

INPUTS, OUTPUTS, WIDTH, RANK, HIDDEN, BATCH, CAP = 3, 2, 4, 2, 3, 3, 0.3
BOUND, EULER_STEP, DAMPING, FLOW_STEP = 0.8, 0.4, 0.1, 1.5
STATE = "singular-vector"
LABELS = [0, 1, 1]


def reflections(vectors):
    q = np.eye(WIDTH)
    for v in vectors:
        q = q @ (np.eye(WIDTH) - 2 * np.outer(v, v) / (v @ v))
    return q


def stride(blocks):
    """The permutation matrix that sends row i of block b to row i * blocks + b."""
    return np.eye(WIDTH)[np.arange(WIDTH).reshape(blocks, -1).T.ravel()]


def skew(triangle):
    s = np.zeros((WIDTH, WIDTH))
    s[np.triu_indices(WIDTH, 1)] = triangle
    return s - s.T


def cayley(triangle):
    a = skew(triangle)
    return scipy.linalg.solve(np.eye(WIDTH) + a, np.eye(WIDTH) - a)


# Per family: the blocks of its path and the matrix they make; None where the path is not linear. The options stand in GoldenTests.swift.
FAMILIES = {
    "identity": ([], lambda: np.eye(WIDTH)),
    "dense": ([("weight", (WIDTH, WIDTH))], lambda w: w),
    "householder": ([("reflectors", (3, WIDTH))], reflections),
    "kronecker": ([("left", (2, 2)), ("right", (2, 2))], np.kron),
    "block-diagonal": ([("blocks", (2, 2, 2))], lambda w: stride(2) @ scipy.linalg.block_diag(*w)),
    "monarch": (
        [("first", (2, 2, 2)), ("second", (2, 2, 2))],
        lambda r, l: stride(2) @ scipy.linalg.block_diag(*l) @ stride(2) @ scipy.linalg.block_diag(*r),
    ),
    "block-tensor-train": (
        [("first", (2, 4, 2)), ("second", (2, 2, 4))],
        # L_β[α, ρ, γ]·R_γ[β, ρ, δ], summed over ρ, as the matrix from (γ, δ) to (α, β).
        lambda r, l: np.einsum("barg,gbrd->abgd", l.reshape(2, 2, 2, 2), r.reshape(2, 2, 2, 2)).reshape(WIDTH, WIDTH),
    ),
    "diagonal-low-rank": (
        [("diagonal", (WIDTH,)), ("up", (WIDTH, 2)), ("down", (2, WIDTH))], lambda d, up, down: np.diag(d) + up @ down),
    "spectral-norm": (
        [("weight", (WIDTH, WIDTH)), (STATE, (WIDTH,))], lambda w, _: BOUND * w / scipy.linalg.svdvals(w)[0]),
    "cayley": ([("skew", (WIDTH * (WIDTH - 1) // 2,))], cayley),
    "skew-euler": ([("skew", (WIDTH * (WIDTH - 1) // 2,)), ("bias", (WIDTH,))], None),
    "gradient-flow": ([("weight", (HIDDEN, WIDTH)), ("bias", (HIDDEN,)), (STATE, (WIDTH,))], None),
    "bounded-svd": (
        [("left", (3, WIDTH)), ("right", (3, WIDTH)), ("spectrum", (WIDTH,))],
        lambda u, v, p: reflections(u) @ np.diag(0.5 + (2 - 0.5) * scipy.special.expit(p)) @ reflections(v).T,
    ),
}


def blocks(family):
    path = [(f"layers.0.path.{name}", shape) for name, shape in FAMILIES[family][0]]
    return [
        ("embedding.weight", (WIDTH, INPUTS)), ("embedding.bias", (WIDTH,)), *path,
        ("layers.0.correction.up", (WIDTH, RANK)), ("layers.0.correction.down", (RANK, WIDTH)), ("layers.0.correction.bias", (RANK,)),
        ("layers.0.bias", (WIDTH,)), ("readout.weight", (OUTPUTS, WIDTH)), ("readout.bias", (OUTPUTS,)),
    ]


def path(family, p, x):
    """The path at the columns of x, and its Jacobian at 0."""
    names, matrix = FAMILIES[family]
    b = {name: p[f"layers.0.path.{name}"] for name, _ in names}
    if matrix is not None:
        q = matrix(*b.values())
        return q @ x, q
    identity, slope = np.eye(WIDTH), 1 - np.tanh(b["bias"]) ** 2
    if family == "skew-euler":
        k = skew(b["skew"]) - DAMPING * identity
        return x + EULER_STEP * np.tanh(k @ x + b["bias"][:, None]), identity + EULER_STEP * slope[:, None] * k
    w, h = b["weight"], FLOW_STEP / scipy.linalg.svdvals(b["weight"])[0] ** 2
    return x - h * w.T @ np.tanh(w @ x + b["bias"][:, None]), identity - h * w.T @ (slope[:, None] * w)


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


for family in FAMILIES:
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
