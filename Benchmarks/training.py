#!/usr/bin/env python3
"""What `plumb bench peers` measures, for it to make a table of; runs take turns within a round.

    .build/release/plumb bench peers --python VENV/bin/python [--rounds 5] [--config a]… [--json]

Prints a line of JSON for each configuration: its name, and samplesPerSecond, the rates of every way and peer round by round. The configurations and the peers are those of peers/training.py. Plumb runs two workers of one thread each, in every placement and way for
payloads that is asked for; samples a second are taken from the record's step times after the first ten steps. The weights of all of Plumb's
runs of one configuration must be the same. `--seconds` is about what a run of a peer takes.
"""
import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# width, layers after the embedding, inputs, a step's batch, partitions, activation, about a step's seconds
CONFIGS = {
    "a": (1024, 7, 784, 256, 2, "relu", 0.08),
    "b": (256, 15, 64, 128, 2, "relu", 0.008),
    "c": (2048, 3, 784, 512, 2, "relu", 0.25),
    "d": (1024, 7, 784, 256, 4, "relu", 0.09),
    "narrow": (64, 255, 64, 128, 2, "tanh", 0.01),
}
EXPERIMENT = """
name: bench-{name}
data: {{ source: synthetic, examples: {examples}, features: {inputs}, classes: 10, test: 0, validation: 0 }}
model:
  width: {width}
  depth: {layers}
  path: {{ family: dense, init: {init} }}
  correction: {{ kind: none }}
  activation: {activation}
  embedding: {{ kind: dense, activation: {activation} }}
optimizer: {{ kind: sgd, learningRate: 0.001, momentum: 0.9 }}
training: {{ batch: {batch}, partitions: {partitions}, steps: {steps}, validateEvery: 0, checkpointEvery: 0, onNonFinite: continue }}
diagnostics: {{ select: [] }}
record: {{ tensorboard: false }}
cluster: {{ workers: {workers} }}
"""
WARM_UP = 10


def experiment(config, steps, workers, folder):
    """Writes an experiment of a worker's batch times `workers`, and returns its path and its batch."""
    width, layers, inputs, batch, partitions, activation, _ = CONFIGS[config]
    batch, partitions = batch * workers // 2, partitions * workers // 2
    text = EXPERIMENT.format(
        name=config, examples=16 * batch, inputs=inputs, width=width, layers=layers, batch=batch, partitions=partitions,
        activation=activation, init="he" if activation == "relu" else "xavier", steps=steps, workers=workers)
    file = os.path.join(folder, f"{config}-{workers}-{steps}.yaml")
    with open(file, "w") as out:
        out.write(text)
    return file, batch


def step_times(program, config, placement, payloads, seconds, folder, workers=2, prefix=()):
    """The steps' wall times after the first ten, a step's batch, and the digest of the weights."""
    file, batch = experiment(config, WARM_UP + max(20, round(seconds / CONFIGS[config][-1])), workers, folder)
    directory = tempfile.mkdtemp(dir=folder)
    done = subprocess.run(
        [*prefix, program, "train", file, "--json", "--run-dir", directory + "/run", "--set", "training.placement=" + placement, "--set",
         "cluster.payloads=" + payloads], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"plumb failed on {config}, {placement}, {payloads}: {done.stderr.strip().splitlines()[-1]}")
    with sqlite3.connect(directory + "/run/run.sqlite") as record:
        times = [row[0] for row in record.execute("SELECT wall_seconds FROM step_timings ORDER BY step")][WARM_UP:]
    return times, batch, json.loads(done.stdout.strip().splitlines()[-1])["weightsSHA256"]


def plumb(program, config, placement, payloads, seconds, folder):
    times, batch, digest = step_times(program, config, placement, payloads, seconds, folder)
    return batch * len(times) / sum(times), digest


def peer(python, name, config, seconds, options=(), figure="samplesPerSecond"):
    """One figure of a peer's line, or with None all of it."""
    done = subprocess.run(
        [python, os.path.join(HERE, "peers", "training.py"), "--peer", name, "--config", config, "--seconds", str(seconds), *options],
        capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr.strip())
    line = json.loads(done.stdout.strip().splitlines()[-1])
    return line[figure] if figure else line


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plumb", required=True, help="the program")
    parser.add_argument("--python", default=sys.executable, help="an interpreter that has the peers")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--configs", default="a,b,c,d,narrow")
    parser.add_argument("--ways", default="workers/auto,workers/tcp,coordinator/auto", help="placement/payloads, separated by commas")
    parser.add_argument("--peers", default="torch-ddp,torch-ddp tuned,jax", help="separated by commas; 'tuned' and 'fused' are options")
    given = parser.parse_args()
    ways, peers = given.ways.split(","), [name for name in given.peers.split(",") if name]
    for config in given.configs.split(","):
        rates, weights = {name: [] for name in ways + peers}, set()
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(given.rounds):
                for way in ways:
                    rate, digest = plumb(given.plumb, config, *way.split("/"), given.seconds, folder)
                    rates[way].append(rate)
                    weights.add(digest)
                for name in peers:
                    words = name.split()
                    rates[name].append(peer(given.python, words[0], config, given.seconds, ["--" + word for word in words[1:]]))
        if len(weights) > 1:
            sys.exit(f"config {config}: the runs of one experiment ended with {len(weights)} different weights")
        print(json.dumps({"config": config, "samplesPerSecond": rates}), flush=True)


if __name__ == "__main__":
    main()
