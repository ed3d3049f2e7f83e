"""Products with the curvature matrices of the networks of golden/curvature.txt in float64, into golden/hessian-products.txt.

    python -m pip install torch==2.15.0 && python Tests/Oracles/hessian_products.py

Of the direction v_i = ((37·i) mod 101 − 50)/64, i counting the flat vector: H·v of the mean cross-entropy and of half the mean squared
distance to the one-hot label, both by automatic differentiation twice; the cross-entropy's Gauss–Newton product; and Jᵀ·J·v/N.
"""

import pathlib

import torch

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)
FOLDER = pathlib.Path(__file__).parent / "golden"
ACTIVATIONS = {"tanh": torch.tanh, "relu": torch.relu, "wide": torch.relu, "linear": None}


def cases():
    case = None
    for line in (FOLDER / "curvature.txt").read_text().splitlines():
        key, *words = line.split()
        if key == "case":
            if case:
                yield case
            case = {"name": words[0], "sizes": [int(word) for word in words[1:]]}
        else:
            case[key] = torch.tensor([float(word) for word in words])
    yield case


def products(case):
    sizes, parameters, activation = case["sizes"], case["parameters"].float().double(), ACTIVATIONS[case["name"]]
    labels = case["labels"].long()
    inputs = case["inputs"].float().double().reshape(sizes[0], -1).T
    direction = ((37 * torch.arange(len(parameters))) % 101 - 50).double() / 64

    def logits(vector):
        x, place = inputs, 0
        for index, (below, above) in enumerate(zip(sizes, sizes[1:])):
            weight = vector[place : place + below * above].reshape(above, below)
            bias = vector[place + below * above : place + (below + 1) * above]
            place += (below + 1) * above
            x = x @ weight.T + bias
            if index + 2 < len(sizes) and activation:
                x = activation(x)
        return x

    def cross_entropy(vector):
        return torch.nn.functional.cross_entropy(logits(vector), labels)

    def squares(vector):
        target = torch.nn.functional.one_hot(labels, sizes[-1])
        return ((logits(vector) - target) ** 2).sum() / 2 / len(labels)

    def hessian(loss):
        return torch.autograd.functional.hvp(loss, parameters, direction)[1]

    jacobian = torch.func.jacrev(logits)(parameters)
    p = torch.softmax(logits(parameters), dim=1)
    tangent = jacobian @ direction
    inner = p * tangent - p * (p * tangent).sum(1, keepdim=True)
    yield "hessian", hessian(cross_entropy)
    yield "squaredError", hessian(squares)
    yield "gaussNewton", torch.einsum("bcd,bc->d", jacobian, inner) / len(labels)
    yield "tangentKernel", torch.einsum("bcd,bc->d", jacobian, tangent) / len(labels)


def lines():
    for case in cases():
        if case["name"] == "wide":
            continue
        for kind, product in products(case):
            yield f"{case['name']} {kind} " + " ".join(f"{value:.8g}" for value in product.tolist())


(FOLDER / "hessian-products.txt").write_text("\n".join(lines()) + "\n")
