"""Runs `plumb bench layers --json` and layers.py by turns, several times, and prints how many times faster plumb's layers are.

Usage: compare.py --plumb .build/release/plumb --python VENV/bin/python [--rounds 5] [--width 1024] [--batch 128] [--json]
By turns, so that whatever slows the machine slows both. A ratio is the median over the runs of torch's median over plumb's.
Plumb's time is forward, backward and one derivation: what torch recomputes in every forward.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

# torch's layer, plumb's family and options, and the least ratio that is promised.
PAIRS = [
    ("dense", "dense", {}, 1.0),
    ("householder-square", "householder", {"reflectors": 128}, 100.0),
    ("householder-tall", "householder", {"reflectors": 128}, None),
    ("cayley", "cayley", {}, 2.0),
    ("spectral-norm", "spectral-norm", {}, None),
    ("monarch", "monarch", {}, 2.0),
]


def plumb(options, families):
    command = [options.plumb, "bench", "layers", "--json", "--width", str(options.width), "--batch", str(options.batch)]
    command += ["--rounds", str(options.laps)]
    for family in families:
        command += ["--family", family]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def torch(options):
    environment = {key: value for key, value in os.environ.items() if not key.startswith("OPENBLAS_")}
    command = [options.python, os.path.join(os.path.dirname(os.path.abspath(__file__)), "layers.py")]
    command += ["--width", str(options.width), "--batch", str(options.batch), "--rounds", str(options.laps)]
    result = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return json.loads(result.stdout.splitlines()[-1])


def find(result, family, wanted):
    for layer in result["layers"]:
        if layer["family"] == family and all(layer["options"].get(key) == value for key, value in wanted.items()):
            return layer["totalMilliseconds"]["median"]
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plumb", default=".build/release/plumb")
    parser.add_argument("--python", default=sys.executable, help="a Python that has requirements.txt")
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5, help="runs of either program")
    parser.add_argument("--laps", type=int, default=7, help="measurements a run")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a promised ratio is missed")
    options = parser.parse_args()

    known = {layer["family"] for layer in plumb(argparse.Namespace(**{**vars(options), "laps": 1, "width": 16}), [])["layers"]}
    families = sorted({family for _, family, _, _ in PAIRS} & known)
    ours, theirs = [], []
    for _ in range(options.rounds):
        ours.append(plumb(options, families))
        theirs.append(torch(options))

    rows = []
    for peer, family, wanted, least in PAIRS:
        pairs = [
            (find(mine, family, wanted), other["layers"].get(peer, {}).get("median")) for mine, other in zip(ours, theirs)
        ]
        pairs = [pair for pair in pairs if None not in pair]
        if not pairs:
            rows.append({"peer": peer, "family": family, "missing": "plumb" if family not in known else "torch"})
            continue
        ratios = sorted(other / mine for mine, other in pairs)
        rows.append(
            {
                "peer": peer,
                "family": family,
                "what": theirs[0]["layers"][peer]["what"],
                "plumbMilliseconds": statistics.median(mine for mine, _ in pairs),
                "torchMilliseconds": statistics.median(other for _, other in pairs),
                "ratio": statistics.median(ratios),
                "least": ratios[0],
                "most": ratios[-1],
                "promised": least,
            }
        )
    if options.json:
        conditions = {key: ours[0][key] for key in ("width", "batch", "processor", "blasCore", "date")}
        loads = [float(mine["loadBefore"]) for mine in ours] + [other["load"] for other in theirs]
        print(json.dumps({**conditions, "torch": theirs[0]["torch"], "loads": loads, "layers": rows}))
    else:
        print(f"{'torch layer':20} {'torch ms':>10} {'plumb ms':>10} {'torch/plumb':>12} {'least':>8} {'most':>8} {'promised':>9}")
        for row in rows:
            if "missing" in row:
                print(f"{row['peer']:20} not measured: {row['missing']} does not have it")
                continue
            promised = row["promised"] if row["promised"] is not None else "-"
            print(
                f"{row['peer']:20} {row['torchMilliseconds']:10.3f} {row['plumbMilliseconds']:10.3f} {row['ratio']:12.3f} "
                f"{row['least']:8.3f} {row['most']:8.3f} {promised!s:>9}"
            )
        loads = [mine["loadBefore"] for mine in ours]
        print(
            f"width {options.width}, batch {options.batch}, {options.rounds} runs by turns; torch {theirs[0]['torch']}, "
            f"{ours[0]['processor']}, OpenBLAS {ours[0]['blasCore']} kernels; load before the runs {', '.join(loads)}"
        )
    missed = [row for row in rows if row.get("promised") and row["ratio"] < row["promised"]]
    return 1 if missed and options.strict else 0


if __name__ == "__main__":
    sys.exit(main())
