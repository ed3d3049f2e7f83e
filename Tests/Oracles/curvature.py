"""The Hessian of small networks in float64, dense, into golden/curvature.txt; and PyHessian's top eigenvalue and trace of the same.

    python -m pip install torch==2.15.0 pyhessian==0.1 && python Tests/Oracles/curvature.py

Parameters and inputs are float32 numbers; everything is computed from them in float64. Blocks and units are in Plumb's order: a
weight [outputs, inputs], then its bias, the embedding first.
"""

import pathlib

import pyhessian
import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def network(sizes, activation):
    layers = []
    for index, (inputs, outputs) in enumerate(zip(sizes, sizes[1:])):
        layers.append(torch.nn.Linear(inputs, outputs))
        if index + 2 < len(sizes) and activation is not None:
            layers.append(activation())
    return torch.nn.Sequential(*layers)


def numbers(values):
    return " ".join(f"{value:.9g}" for value in values)


def case(name, sizes, activation, batch, seed):
    torch.manual_seed(seed)
    model = network(sizes, activation)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = parameter.shape[1] ** -0.5 if parameter.dim() == 2 else 0.1
            parameter.copy_((torch.randn_like(parameter) * scale).float().double())
    inputs = torch.randn(batch, sizes[0]).float().double()
    labels = torch.randint(sizes[-1], (batch,))
    names = [key for key, _ in model.named_parameters()]
    shapes = [parameter.shape for parameter in model.parameters()]
    flat = torch.cat([parameter.detach().reshape(-1) for parameter in model.parameters()])

    def logits(vector):
        parts = torch.split(vector, [shape.numel() for shape in shapes])
        values = {key: part.reshape(shape) for key, part, shape in zip(names, parts, shapes)}
        return torch.func.functional_call(model, values, (inputs,))

    def loss(vector):
        return torch.nn.functional.cross_entropy(logits(vector), labels)

    hessian = torch.func.hessian(loss)(flat)
    jacobian = torch.func.jacrev(logits)(flat)
    p = torch.softmax(logits(flat), dim=1)
    inner = torch.diag_embed(p) - p.unsqueeze(2) * p.unsqueeze(1)
    gauss_newton = torch.einsum("bcd,bce,bef->df", jacobian, inner, jacobian) / batch
    kernel = jacobian.reshape(-1, len(flat)) @ jacobian.reshape(-1, len(flat)).T
    per_example = torch.func.jacrev(lambda v: torch.nn.functional.cross_entropy(logits(v), labels, reduction="none"))(flat)
    scaling = (0.05 + 0.25 * (torch.arange(len(flat)) % 7)) ** -0.5
    preconditioned = scaling[:, None] * hessian * scaling[None, :]

    peer = pyhessian.hessian(model, torch.nn.CrossEntropyLoss(), data=(inputs, labels), cuda=False)
    diagonal = torch.diagonal(hessian)
    first, layers = 0, []
    for index in range(0, len(shapes), 2):
        size = shapes[index].numel() + shapes[index + 1].numel()
        layers.append(diagonal[first : first + size].sum().item())
        first += size
    yield f"case {name} {' '.join(map(str, sizes))}"
    yield "parameters " + numbers(flat.tolist())
    yield "inputs " + numbers(inputs.T.reshape(-1).tolist())
    yield "labels " + " ".join(str(label) for label in labels.tolist())
    yield "loss " + numbers([loss(flat).item()])
    yield "eigenvalues " + numbers(torch.linalg.eigvalsh(hessian).tolist())
    yield "traces " + numbers(layers)
    yield "squaredDiagonal " + numbers([(diagonal**2).sum().item()])
    yield "gaussNewton " + numbers(torch.linalg.eigvalsh(gauss_newton)[-8:].tolist())
    yield "tangentKernel " + numbers(torch.linalg.eigvalsh(kernel).tolist()[-8:])
    yield "fisher " + numbers(torch.linalg.eigvalsh(per_example @ per_example.T / batch).tolist())
    yield "preconditionedTop " + numbers([torch.linalg.eigvalsh(preconditioned)[-1].item()])
    yield "pyhessianTop " + numbers(peer.eigenvalues(maxIter=500, tol=1e-9)[0])
    yield "pyhessianTrace " + numbers([sum(values := peer.trace(maxIter=2000, tol=0)) / len(values)])


def cases():
    yield from case("tanh", [8, 16, 16, 5], torch.nn.Tanh, 24, 0)
    yield from case("relu", [8, 16, 16, 5], torch.nn.ReLU, 24, 1)
    yield from case("linear", [6, 4], None, 20, 2)
    yield from case("wide", [12, 32, 32, 4], torch.nn.ReLU, 32, 3)


text = "\n".join(cases()) + "\n"
(pathlib.Path(__file__).parent / "golden" / "curvature.txt").write_text(text)
