#!/usr/bin/env python3
"""What one worker costs: on one core beside PyTorch, in memory, and what exchanging adds to a step.

    python3 Benchmarks/worker.py onecore --plumb PROGRAM --python VENV/bin/python [--configs a,b,c,narrow]
    python3 Benchmarks/worker.py oneworker --plumb PROGRAM --python VENV/bin/python [--configs narrow]
    python3 Benchmarks/worker.py exposed --plumb PROGRAM [--configs a,c] [--ways workers/auto,workers/tcp]
    python3 Benchmarks/worker.py memory --plumb PROGRAM [--configs a]

onecore: a coordinator and one worker, all their threads on one core, and PyTorch's one process on the same core, by turns; the processor
time beside each is of all processes, what a short run takes taken off. oneworker: the same, and nobody kept to a core. exposed: two workers, and two reference trainers (plumb bench step)
at the same time on the same two cores, which apply their gradients themselves; by turns, medians of steps. memory: a worker's proportional
set size late in a run of two. The configurations are those of training.py.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import training


def processor_time():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def one_worker(given, config, folder):
    is_pinned = given.what == "onecore"
    pinned, names = ("taskset", "-c", "0") if is_pinned else (), ["torch", "torch tuned"]
    seconds = max(given.seconds, 60 * training.CONFIGS[config][-1])
    rates, costs = {name: [] for name in ["plumb"] + names}, {name: [] for name in ["plumb"] + names}
    for _ in range(given.rounds):
        before = processor_time()
        short, batch, _ = training.step_times(given.plumb, config, "workers", "auto", 0, folder, 1, pinned)
        between = processor_time()
        times, batch, _ = training.step_times(given.plumb, config, "workers", "auto", seconds, folder, 1, pinned)
        rates["plumb"].append(batch * len(times) / sum(times))
        extra = (len(times) - len(short)) * batch
        costs["plumb"].append((processor_time() - between - (between - before)) / extra)
        for name in names:
            options = (["--pin", "0"] if is_pinned else []) + ["--" + word for word in name.split()[1:]]
            line = training.peer(given.python, "torch", config, given.seconds, options, None)
            rates[name].append(line["samplesPerSecond"])
            costs[name].append(line["cpuSecondsPerSample"])
    for name in rates:
        ratio = "" if name == "plumb" else "  plumb is {:.2f} ×".format(
            statistics.median(x / y for x, y in zip(rates["plumb"], rates[name])))
        print(f"  {name:12} {statistics.median(rates[name]):8.0f} samples/s ({min(rates[name]):.0f} to {max(rates[name]):.0f}),"
              f" {statistics.median(costs[name]) * 1e6:.0f} µs of processor a sample{ratio}", flush=True)


def exposed(given, config, folder):
    width, layers, inputs, batch, _, _, step = training.CONFIGS[config]
    alone, ways = [], {way: [] for way in given.ways.split(",")}
    for _ in range(given.rounds):
        both = [subprocess.Popen(
            ["taskset", "-c", str(core), given.plumb, "bench", "step", "--width", str(width), "--depth", str(layers + 1), "--inputs",
             str(inputs), "--batch", str(batch // 2), "--rounds", str(max(10, round(given.seconds / step / 2))), "--json"],
            stdout=subprocess.PIPE, text=True) for core in (0, 1)]
        alone.append(statistics.mean(json.loads(one.communicate()[0])["stepSeconds"]["median"] for one in both))
        for way in ways:
            times, _, _ = training.step_times(given.plumb, config, *way.split("/"), given.seconds, folder)
            ways[way].append(statistics.median(times))
    print(f"  local apply {statistics.median(alone) * 1e3:.2f} ms a step")
    for way, steps in ways.items():
        share = statistics.median((x - y) / x for x, y in zip(steps, alone))
        print(f"  {way:16} {statistics.median(steps) * 1e3:.2f} ms a step, exposed {share * 100:.1f} %", flush=True)


def memory(given, config, folder):
    file, _ = training.experiment(config, 100000, 2, folder)
    run = subprocess.Popen(
        [given.plumb, "train", file, "--json", "--run-dir", folder + "/run", "--set", "training.placement=workers"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(max(8, given.seconds))
    for child in open(f"/proc/{run.pid}/task/{run.pid}/children").read().split():
        fields = dict(line.split(":") for line in open(f"/proc/{child}/smaps_rollup").read().splitlines()[1:])
        size = {name: int(fields[name].split()[0]) * 1024 / 1e6 for name in ("Pss", "Pss_Anon", "Pss_Shmem", "Rss")}
        print("  worker: " + ", ".join(f"{name} {value:.0f} MB" for name, value in size.items()))
    run.terminate()
    run.wait(60)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["onecore", "oneworker", "exposed", "memory"])
    parser.add_argument("--plumb", required=True)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--configs", default="a")
    parser.add_argument("--ways", default="workers/auto,workers/tcp")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    given = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.2f}")
    for config in given.configs.split(","):
        print(f"{config}:", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            {"onecore": one_worker, "oneworker": one_worker, "exposed": exposed, "memory": memory}[given.what](given, config, folder)


if __name__ == "__main__":
    main()
