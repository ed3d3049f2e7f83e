"""The layers of `plumb bench layers` as a user of PyTorch would write them: forward, backward, and the parametrization's recomputation.

One thread, float32, a batch of rows; prints one object of JSON: milliseconds of processor time of each layer, median, least and most.
Versions: requirements.txt.
"""

import argparse
import json
import os
import statistics
import time
import warnings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn.utils.parametrizations import orthogonal, spectral_norm  # noqa: E402


class MonarchPeer:
    """Imported only when asked for: the package is optional."""

    @staticmethod
    def make(n, blocks):
        from torch_structured.monarch.monarch_linear import MonarchLinear

        return MonarchLinear(n, n, nblocks=blocks)


def layers(n, reflectors):
    """Each layer with a sentence on how it corresponds to ours."""
    blocks = int(n**0.5)
    return {
        "dense": (lambda: nn.Linear(n, n), "nn.Linear"),
        # torch has no product of k < n reflectors as a square map: a square weight takes n of them, a tall one [n, k] is the first k
        # columns of such a product, which is another map, and cheaper than the layer it stands beside.
        "householder-square": (
            lambda: orthogonal(nn.Linear(n, n), orthogonal_map="householder", use_trivialization=False),
            "orthogonal(nn.Linear, householder), weight [n, n]",
        ),
        "householder-tall": (
            lambda: orthogonal(nn.Linear(reflectors, n), orthogonal_map="householder", use_trivialization=False),
            f"orthogonal(nn.Linear, householder), weight [n, {reflectors}]: {reflectors} inputs",
        ),
        "cayley": (
            lambda: orthogonal(nn.Linear(n, n), orthogonal_map="cayley", use_trivialization=False),
            "orthogonal(nn.Linear, cayley)",
        ),
        "spectral-norm": (lambda: spectral_norm(nn.Linear(n, n)), "spectral_norm(nn.Linear), one power iteration a forward"),
        "monarch": (lambda: MonarchPeer.make(n, blocks), f"torch_structured MonarchLinear, {blocks} blocks"),
    }


def milliseconds(layer, batch):
    x = torch.randn(batch, layer.in_features, requires_grad=True)
    g = torch.randn(batch, layer.out_features)
    # Processor time of all threads of this process, which are one: a busy machine changes it little.
    start = time.process_time()
    y = layer(x)
    y.backward(g)
    took = (time.process_time() - start) * 1000
    layer.zero_grad(set_to_none=True)
    return took


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--reflectors", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30, help="a layer that has taken so long is measured no more")
    parser.add_argument("--layer", action="append", help="one of the layers; may be repeated")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)

    made, absent = {}, {}
    for name, (make, what) in layers(options.width, options.reflectors).items():
        if options.layer and name not in options.layer:
            continue
        try:
            made[name] = (make().train(), what)
        except ImportError as error:
            absent[name] = str(error)
    times = {name: [] for name in made}
    spent = {name: 0.0 for name in made}
    for round_number in range(options.rounds + 1):
        for name, (layer, _) in made.items():
            if spent[name] > options.seconds * 1000 and times[name]:
                continue
            took = milliseconds(layer, options.batch)
            spent[name] += took
            # The first round warms up, unless one is all that there is time for.
            if round_number > 0 or took > options.seconds * 1000:
                times[name].append(took)
    report = {
        "torch": torch.__version__,
        "width": options.width,
        "batch": options.batch,
        "load": os.getloadavg()[0],
        "absent": absent,
        "layers": {
            name: {
                "what": made[name][1],
                "median": statistics.median(values),
                "least": min(values),
                "most": max(values),
                "rounds": len(values),
            }
            for name, values in times.items()
        },
    }
    print(json.dumps(report))


if __name__ == "__main__":
    main()
