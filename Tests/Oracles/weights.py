"""weightwatcher 0.7.7's columns of matrices and kernels, with the elements, into golden/weights.txt.

    python -m pip install weightwatcher==0.7.7 && python Tests/Oracles/weights.py
"""

import logging
import pathlib

import numpy
import torch
import weightwatcher

logging.getLogger("weightwatcher").setLevel(logging.ERROR)
NUMBERS = """D alpha alpha_weighted entropy lambda_max log_alpha_norm log_norm log_spectral_norm matrix_rank norm num_evals num_pl_spikes
rank_loss sigma spectral_norm stable_rank sv_max sv_min weak_rank_loss xmax xmin M N rf num_spikes sigma_mp mp_softrank W_scale bulk_max
bulk_min""".split()


def elements(shape, seed):
    """Reproducible anywhere: a linear congruential generator, sums of four, times a power of two by column."""
    count = int(numpy.prod(shape))
    state, draws = seed, []
    for _ in range(4 * count):
        state = (state * 1664525 + 1013904223) % 2**32
        draws.append(state / 2**32 - 0.5)
    values = numpy.array(draws).reshape(count, 4).sum(axis=1).reshape(shape)
    # Columns of many sizes make a tail.
    sizes = 2.0 ** -(numpy.arange(shape[1]) % 7)
    return (values * sizes.reshape((1, -1) + (1,) * (len(shape) - 2))).astype(numpy.float32)


def layer(weights):
    shape = weights.shape
    if len(shape) == 4:
        module = torch.nn.Conv2d(shape[1], shape[0], shape[2:], bias=False)
    else:
        module = torch.nn.Linear(shape[1], shape[0], bias=False)
    module.weight.data = torch.from_numpy(weights)
    return module


text = []
for seed, shape in enumerate([(24, 16), (64, 64), (40, 96), (120, 50), (16, 8, 3, 3), (8, 20, 3, 3), (8, 20, 2, 2), (40, 24, 1, 1)]):
    weights = elements(shape, seed + 1)
    row = weightwatcher.WeightWatcher(model=torch.nn.Sequential(layer(weights))).analyze(mp_fit=True).iloc[0]
    text.append(f"case {seed + 1} " + " ".join(map(str, shape)))
    text += [f"{name} {float(row[name]):.12g}" for name in NUMBERS]
    text.append(f"warning {row['warning'] or 'none'}")
(pathlib.Path(__file__).parent / "golden" / "weights.txt").write_text("\n".join(text) + "\n")
