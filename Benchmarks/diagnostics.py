#!/usr/bin/env python3
"""What diagnostics cost while a network trains: the same run without any, with those of the step (T0), and with all of them.

    python3 Benchmarks/diagnostics.py --plumb .build/release/plumb --rounds 5

Width 512, depth 32, two workers. The runs of a round take turns; a share is the median over rounds of (with - without) / without, of
the wall time and of the processor time of the whole program, its start included. The weights of all runs must be the same. What T0 costs
at every 50th step is too little for this machine's noise: "T0 each" takes it at every step, of whose share it is a 50th.
"""
import argparse
import json
import os
import resource
import sqlite3
import statistics
import subprocess
import tempfile
import time

EXPERIMENT = """
name: cost
data: {{ source: digits }}
model: {{ width: 512, depth: 32, path: {{ family: dense }} }}
optimizer: {{ kind: adam, learningRate: 0.0001 }}
training: {{ batch: 128, partitions: 2, steps: {steps}, validateEvery: 0, checkpointEvery: 0 }}
diagnostics: {{ {diagnostics} }}
record: {{ tensorboard: false }}
cluster: {{ workers: 2 }}
"""

CHOICES = {
    "off": "every: 0",
    "T0": "every: 50, select: [depth-slope, noise-scale, agreement]",
    "T0 each": "every: 1, select: [depth-slope, noise-scale, agreement]",
    "all": "every: 50, select: [all]",
}


def processor_seconds():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(plumb, folder, name, steps):
    file = os.path.join(folder, name + ".yaml")
    with open(file, "w") as out:
        out.write(EXPERIMENT.format(steps=steps, diagnostics=CHOICES[name]))
    directory = tempfile.mkdtemp(dir=folder)
    start, processor = time.monotonic(), processor_seconds()
    done = subprocess.run(
        [plumb, "train", file, "--json", "--run-dir", os.path.join(directory, "run")], capture_output=True, text=True, check=True)
    wall, processor = time.monotonic() - start, processor_seconds() - processor
    with sqlite3.connect(os.path.join(directory, "run", "run.sqlite")) as record:
        measured = record.execute(
            "SELECT name, COUNT(*), AVG(seconds), GROUP_CONCAT(step) FROM measurements GROUP BY name ORDER BY name").fetchall()
        events = record.execute("SELECT subject, detail FROM events WHERE kind = 'diagnostics interval'").fetchall()
        share = record.execute("SELECT value FROM meta WHERE key = 'diagnostics_share'").fetchone()
    summary = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "seconds": wall, "processor": processor, "sha": summary["weightsSHA256"], "measured": measured, "events": events,
        "share": float(share[0]) if share else 0.0,
    }


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--plumb", default=".build/release/plumb")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=400)
    options = arguments.parse_args()
    times, processors, last, shas = {name: [] for name in CHOICES}, {name: [] for name in CHOICES}, {}, set()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(options.rounds):
            for name in CHOICES:
                last[name] = run(os.path.abspath(options.plumb), folder, name, options.steps)
                times[name].append(last[name]["seconds"])
                processors[name].append(last[name]["processor"])
                shas.add(last[name]["sha"])
            print(f"round {number + 1}: " + ", ".join(f"{name} {times[name][-1]:.1f} s" for name in CHOICES), flush=True)
    for name in CHOICES:
        print(f"{name:4} accounted {100 * last[name]['share']:.2f} %")
        for kind, seconds in ("wall", times), ("processor", processors):
            shares = [100 * (a - b) / b for a, b in zip(seconds[name], seconds["off"])]
            print(f"  {kind:10} median {statistics.median(seconds[name]):7.2f} s   {statistics.median(shares):+6.2f} %  "
                  f"({min(shares):+.2f} … {max(shares):+.2f})")
    for name, count, seconds, steps in last["all"]["measured"]:
        print(f"  {name:16} {count:3} times, {seconds:8.4f} s each, versions {steps}")
    for subject, detail in last["all"]["events"]:
        print(f"  {subject}: {detail}")
    print("weights:", "the same in every run" if len(shas) == 1 else f"DIFFER: {shas}")


if __name__ == "__main__":
    main()
