"""Golden values for every kind of correction beside the identity, from NumPy and SciPy alone:
python3 Tests/Oracles/corrections.py > Tests/Oracles/golden/corrections.txt

Norms come from scipy.linalg.svdvals, of a product of factors from the product itself; gradients from central differences in float64.
The format is that of layers.py; `certificate` is the bound on the Lipschitz constant of the whole branch.
"""
import numpy as np
import scipy.linalg
import scipy.special

INPUTS, OUTPUTS, WIDTH, RANK, BATCH = 3, 2, 4, 2, 3
LABELS = [0, 1, 1]
# Kind, scale, cap, output clip; None for none. A fixed scale is a number.
CASES = {
    "low-rank": ("low-rank", None, 0.3, None),
    "gated-low-rank": ("gated-low-rank", "rezero", 0.4, None),
    "dense": ("dense", "layerscale", 0.5, None),
    "bottleneck-clipped": ("bottleneck", 0.5, None, 0.3),
    "dense-clipped": ("dense", "layerscale", 0.7, 0.2),
}


def sigma(a):
    return scipy.linalg.svdvals(a)[0]


def blocks(kind, scale):
    shapes = {
        "low-rank": [("up", (WIDTH, RANK)), ("down", (RANK, WIDTH))],
        "gated-low-rank": [("up", (WIDTH, RANK)), ("down", (RANK, WIDTH)), ("gate", (WIDTH,))],
        "bottleneck": [("up", (WIDTH, RANK)), ("down", (RANK, WIDTH)), ("bias", (RANK,))],
        "dense": [("weight", (WIDTH, WIDTH)), ("bias", (WIDTH,))],
    }[kind]
    if scale in ("rezero", "layerscale"):
        shapes = shapes + [("scale", (1,) if scale == "rezero" else (WIDTH,))]
    return (
        [("embedding.weight", (WIDTH, INPUTS)), ("embedding.bias", (WIDTH,))]
        + [(f"layers.0.correction.{name}", shape) for name, shape in shapes]
        + [("layers.0.bias", (WIDTH,)), ("readout.weight", (OUTPUTS, WIDTH)), ("readout.bias", (OUTPUTS,))]
    )


def raw(kind, c, x):
    """R(x) and the bound on its Lipschitz constant."""
    if kind == "low-rank":
        return c["up"] @ c["down"] @ x, sigma(c["up"] @ c["down"])
    if kind == "gated-low-rank":
        r = scipy.special.expit(c["gate"] @ x) * (c["up"] @ np.tanh(c["down"] @ x))
        return r, sigma(c["up"]) * (sigma(c["down"]) + np.linalg.norm(c["gate"]) * np.sqrt(RANK) / 4)
    if kind == "bottleneck":
        return c["up"] @ np.tanh(c["down"] @ x + c["bias"][:, None]), sigma(c["up"]) * sigma(c["down"])
    return np.maximum(0, c["weight"] @ x + c["bias"][:, None]), sigma(c["weight"])


def branch(case, p, x):
    kind, scale, cap, clip = CASES[case]
    c = {name.split(".")[-1]: value for name, value in p.items() if ".correction." in name}
    r, bound = raw(kind, c, x)
    factor = 1.0 if cap is None else min(1.0, cap / bound)
    r = factor * r
    if clip is not None:
        r = r * np.minimum(1.0, clip / np.linalg.norm(r, axis=0))
    s = c["scale"] if scale in ("rezero", "layerscale") else np.array([1.0 if scale is None else scale])
    return s[:, None] * r, np.abs(s).max() * factor * bound


def loss(case, p, x):
    x0 = p["embedding.weight"] @ x + p["embedding.bias"][:, None]
    x1 = x0 + branch(case, p, x0)[0] + p["layers.0.bias"][:, None]
    z = p["readout.weight"] @ x1 + p["readout.bias"][:, None]
    z = z - z.max(axis=0)
    return float(np.sum(np.log(np.exp(z).sum(axis=0)) - z[LABELS, range(BATCH)]))


def line(name, values):
    print(name, " ".join(f"{v:.17g}" for v in np.asarray(values, dtype=np.float64).ravel()))


for case in CASES:
    rng = np.random.default_rng(11)
    # Rounded to float32 first, so that both sides begin with the same numbers.
    draw = lambda shape: rng.normal(size=shape).astype(np.float32).astype(np.float64)
    p = {name: draw(shape) for name, shape in blocks(*CASES[case][:2])}
    x = draw((INPUTS, BATCH))
    print("case", case)
    line("inputs", x)
    line("certificate", [branch(case, p, np.zeros((WIDTH, 1)) + 1.0)[1]])
    line("loss", [loss(case, p, x)])
    for name in p:
        line(f"parameter:{name}", p[name])
        gradient = np.zeros_like(p[name])
        for index in np.ndindex(p[name].shape):
            old = p[name][index]
            p[name][index] = old + 1e-6
            above = loss(case, p, x)
            p[name][index] = old - 1e-6
            below = loss(case, p, x)
            p[name][index] = old
            gradient[index] = (above - below) / 2e-6
        line(f"gradient:{name}", gradient)
