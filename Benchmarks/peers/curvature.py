"""The Hessian's top eigenvalue and density of a network of 1.0 M parameters: `plumb bench curvature` and PyHessian 0.1 by turns, one core.

Usage: OMP_NUM_THREADS=1 python3 Benchmarks/peers/curvature.py --plumb .build/release/plumb [--rounds 3] [--json]

784-540-540-540-10, ReLU, trained for a while on Gaussian clusters of which every tenth has another's label; the mean cross-entropy
over 256 examples. Both programs get the same parameters, batch and products: PyHessian's `eigenvalues(tol=1e-3)` against Lanczos
until 1e-3, `density(iter=100, n_v=1)` against 100 products. The truth is PyHessian's power iteration run on to 1e-7. PyHessian's
`density` calls torch.eig, which torch 2 has no more; it gets it back for a symmetric matrix. Seconds of processor time, each
program's preparations included. PyHessian stops when two steps of its power iteration differ little, which is no bound on its error:
beside its own tolerance it is timed at the first of several tolerances at which it is within 1e-3 of the truth.
"""

import argparse
import copy
import json
import os
import statistics
import subprocess
import tempfile
import time
import warnings

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"
warnings.filterwarnings("ignore")

import numpy  # noqa: E402
import pyhessian  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from torch import nn  # noqa: E402

SIZES = [784, 540, 540, 540, 10]


def symmetric_eig(matrix, eigenvectors):
    values, vectors = torch.linalg.eigh(matrix)
    return torch.stack([values, torch.zeros_like(values)], dim=1), vectors


torch.eig = symmetric_eig


def problem(batch):
    """A network on its way to a minimum, and a batch."""
    torch.manual_seed(0)
    layers = []
    for index, (inputs, outputs) in enumerate(zip(SIZES, SIZES[1:])):
        layers += [nn.Linear(inputs, outputs)] + ([nn.ReLU()] if index + 2 < len(SIZES) else [])
    model = nn.Sequential(*layers)
    centres = torch.randn(SIZES[-1], SIZES[0]) * 0.1
    labels = torch.randint(SIZES[-1], (2048,))
    inputs = centres[labels] + torch.randn(2048, SIZES[0]) * 0.5
    noisy = torch.where(torch.rand(2048) < 0.1, torch.randint(SIZES[-1], (2048,)), labels)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for step in range(60):
        chosen = torch.randint(2048, (128,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[chosen]), noisy[chosen]).backward()
        optimizer.step()
    return model, inputs[:batch], noisy[:batch]


def save(path, model, inputs, labels):
    tensors = {"batch.inputs": inputs, "batch.labels": labels.float()}
    linear = [layer for layer in model if isinstance(layer, nn.Linear)]
    for index, layer in enumerate(linear):
        last = index == len(linear) - 1
        place = "embedding" if index == 0 else "readout" if last else f"layers.{index - 1}"
        middle = ".path" if 0 < index and not last else ""
        tensors[f"{place}{middle}.weight"] = layer.weight.detach()
        tensors[f"{place}.bias"] = layer.bias.detach()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def timed(body):
    start = time.process_time()
    result = body()
    return result, time.process_time() - start


TOLERANCES = [1e-3, 5e-4, 2e-4, 1e-4, 5e-5, 2e-5, 1e-5]


def peer(model, inputs, labels, steps, truth):
    def prepared():
        model.zero_grad()
        return pyhessian.hessian(model, nn.CrossEntropyLoss(), data=(inputs, labels), cuda=False)

    tops = []
    for tolerance in TOLERANCES:
        value, seconds = timed(lambda: prepared().eigenvalues(maxIter=1000, tol=tolerance)[0][0])
        tops.append((value, seconds, tolerance))
        if abs(value / truth - 1) <= 1e-3:
            break
    (nodes, weights), density_seconds = timed(lambda: prepared().density(iter=steps, n_v=1))
    return {
        "ownTopEigenvalue": tops[0][0],
        "ownTopSeconds": tops[0][1],
        "topEigenvalue": tops[-1][0],
        "topSeconds": tops[-1][1],
        "tolerance": tops[-1][2],
        "densitySeconds": density_seconds,
        "nodes": [float(node) for node in nodes[0]],
        "weights": [float(weight) for weight in weights[0]],
    }


def cumulative(result, points):
    order = numpy.argsort(result["nodes"])
    nodes, sums = numpy.array(result["nodes"])[order], numpy.cumsum(numpy.array(result["weights"])[order])
    place = numpy.searchsorted(nodes, points, side="right")
    return numpy.concatenate([[0.0], sums])[place]


def density(result, points, width):
    nodes, weights = numpy.array(result["nodes"]), numpy.array(result["weights"])
    kernel = numpy.exp(-(((points[:, None] - nodes) / width) ** 2) / 2) / (width * numpy.sqrt(2 * numpy.pi))
    return kernel @ weights


def distances(ours, theirs):
    """Wasserstein's distance over the range of the eigenvalues, and half of ∫|p − q| of the densities under one kernel."""
    nodes = ours["nodes"] + theirs["nodes"]
    low, high = min(nodes), max(nodes)
    span = high - low
    points = numpy.linspace(low - 0.1 * span, high + 0.1 * span, 20001)
    step = points[1] - points[0]
    wasserstein = numpy.abs(cumulative(ours, points) - cumulative(theirs, points)).sum() * step / span
    difference = numpy.abs(density(ours, points, span / 100) - density(theirs, points, span / 100)).sum() * step / 2
    return float(wasserstein), float(difference)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plumb", default=".build/release/plumb")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a promised ratio or agreement is missed")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model, inputs, labels = problem(options.batch)
    torch.set_default_dtype(torch.float64)
    exact = pyhessian.hessian(copy.deepcopy(model).double(), nn.CrossEntropyLoss(), data=(inputs.double(), labels), cuda=False)
    truth = exact.eigenvalues(maxIter=1000, tol=1e-7)[0][0]
    torch.set_default_dtype(torch.float32)

    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "problem.safetensors")
        save(path, model, inputs, labels)
        command = [options.plumb, "bench", "curvature", path, "--json", "--steps", str(options.steps)]
        for _ in range(options.rounds):
            run = subprocess.run(command, check=True, capture_output=True, text=True)
            ours.append(json.loads(run.stdout))
            theirs.append(peer(model, inputs, labels, options.steps, truth))

    wasserstein, variation = distances(ours[0], theirs[0])
    report = {
        "torch": torch.__version__,
        "parameters": ours[0]["parameters"],
        "truth": truth,
        "load": os.getloadavg()[0],
        "densityWasserstein": wasserstein,
        "densityTotalVariation": variation,
        "topProducts": ours[0]["topProducts"],
        "symmetryError": ours[0]["symmetryError"],
    }
    for key in ("topSeconds", "densitySeconds"):
        ratios = sorted(their[key] / our[key] for our, their in zip(ours, theirs))
        report[key] = {
            "plumb": statistics.median(our[key] for our in ours),
            "pyhessian": statistics.median(their[key] for their in theirs),
            "ratio": statistics.median(ratios),
            "least": ratios[0],
            "most": ratios[-1],
        }
    report["plumbError"] = abs(ours[0]["topEigenvalue"] / truth - 1)
    report["densityTopError"] = abs(ours[0]["densityTopEigenvalue"] / truth - 1)
    report["pyhessianErrors"] = [abs(their["topEigenvalue"] / truth - 1) for their in theirs]
    report["pyhessianTolerances"] = [their["tolerance"] for their in theirs]
    report["pyhessianOwnErrors"] = [abs(their["ownTopEigenvalue"] / truth - 1) for their in theirs]
    report["pyhessianOwnSeconds"] = [their["ownTopSeconds"] for their in theirs]
    print(json.dumps(report) if options.json else json.dumps(report, indent=2))
    kept = report["topSeconds"]["ratio"] >= 1.5 and report["densitySeconds"]["ratio"] >= 3 and report["plumbError"] <= 1e-3
    return 1 if options.strict and not kept else 0


if __name__ == "__main__":
    raise SystemExit(main())
