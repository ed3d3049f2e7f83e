"""`plumb inspect` beside weightwatcher's analyze() and analyze(randomize=True) by turns, on a model of 8 matrices of 1024 x 1024.

Usage: inspect_models.py --plumb .build/release/plumb [--rounds 3], with a Python that has torch, safetensors and weightwatcher 0.7.7.
Wall time of the whole of `plumb inspect`, its start and reading included; of weightwatcher the call alone. `--weightwatcher` prints the
columns of analyze(randomize=True), with --no-control those of analyze(); without it, D1-D7 with their control.
"""

import argparse
import logging
import os
import random
import statistics
import subprocess
import tempfile
import time

import torch
import weightwatcher
from safetensors.torch import save_file

logging.getLogger("weightwatcher").setLevel(logging.ERROR)
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plumb", default=".build/release/plumb")
parser.add_argument("--rounds", type=int, default=3)
options = parser.parse_args()

torch.manual_seed(0)
model = torch.nn.Sequential(*[torch.nn.Linear(1024, 1024) for _ in range(8)])
with torch.no_grad():
    for index, layer in enumerate(model):
        u, _, v = torch.linalg.svd(torch.randn(1024, 1024))
        tail = torch.arange(1, 1025).float() ** (-0.6 - 0.05 * index)
        layer.weight.copy_(torch.randn(1024, 1024) / 64 + (u * tail) @ v)


def seconds(body):
    # The peer's threads spin on for a while after its work.
    time.sleep(2)
    start = time.perf_counter()
    body()
    return time.perf_counter() - start


with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "model.safetensors")
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, path)
    watcher = weightwatcher.WeightWatcher(model=model)

    def inspect(*flags):
        subprocess.run([options.plumb, "inspect", path, "--json", *flags], check=True, capture_output=True)

    tasks = {
        "plumb inspect": lambda: inspect(),
        "plumb inspect --weightwatcher": lambda: inspect("--weightwatcher"),
        "plumb inspect --weightwatcher --no-control": lambda: inspect("--weightwatcher", "--no-control"),
        "weightwatcher analyze()": lambda: watcher.analyze(),
        "weightwatcher analyze(randomize=True)": lambda: watcher.analyze(randomize=True),
    }
    times = {name: [] for name in tasks}
    for round_number in range(options.rounds):
        # In another order each round: what follows a long run of the peer finds a machine that must first fetch its memory back.
        for name in random.Random(round_number).sample(list(tasks), len(tasks)):
            times[name].append(seconds(tasks[name]))
        print(f"round {round_number + 1}, load {os.getloadavg()[0]:.2f}", flush=True)
for name, values in times.items():
    print(f"{name:45} median {statistics.median(values):7.2f} s, {min(values):.2f}-{max(values):.2f}")
for peer, ours in (
    ("weightwatcher analyze()", "plumb inspect --weightwatcher --no-control"),
    ("weightwatcher analyze(randomize=True)", "plumb inspect --weightwatcher"),
    ("weightwatcher analyze(randomize=True)", "plumb inspect"),
):
    ratio = statistics.median(value / mine for value, mine in zip(times[peer], times[ours]))
    print(f"{peer} takes {ratio:.1f} times as long as {ours}")
