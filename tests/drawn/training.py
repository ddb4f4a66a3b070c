"""Nodes of training: losses and optimizers."""

import numpy as np

from . import table
from .draw import draws

TRAINING = "ai.onnx.preview.training"


@draws("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss")
def loss(d):
    """A mean of nothing is left open: one label counts at least, and no weight is 0."""
    batch, classes, more = d.pick([1, 3, 8]), d.pick([2, 5, 17]), d.shape(0, 2, sizes=[1, 2, 3], empty=False)
    dtype, kind = d.type("T"), d.type("Tind")
    labels = d.array((batch, *more), kind, low=0, high=classes - 1)
    ignored = d.pick([None, -1, 0, -100])
    if ignored is not None:
        labels[d.rng.random(labels.shape) < 0.3] = ignored
        labels.flat[0] = 1
    attributes = d.some(reduction=d.pick(["none", "sum", "mean"])) | ({"ignore_index": ignored} if ignored is not None else {})
    inputs = [d.data((batch, classes, *more), dtype), d.ints(labels, kind), d.maybe(d.data((classes,), dtype, low=0.2, high=2))]
    both = d.row.name == "SoftmaxCrossEntropyLoss" and d.chance(0.5)
    return d.node(inputs, attributes, 2 if both else 1, magnitude=4, steps=True)


# Numbers that belong to a tensor beside itself and its gradient.
OPTIMIZERS = {"Momentum": 1, "Adagrad": 1, "Adam": 2}


@draws(*OPTIMIZERS, domain=TRAINING)
def optimizer(d):
    dtype = d.type("T1", [table.DTYPES["float"], table.DTYPES["double"]])
    d.chosen["T3"] = dtype
    shapes, parts = [d.shape(0, 3, empty=False) for _ in range(d.pick([1, 1, 2]))], OPTIMIZERS[d.row.name]
    numbers = lambda low: [d.data(shape, dtype, low=low, high=2) for shape in shapes]  # noqa: E731
    inputs = [d.data((), dtype, low=0.001, high=0.2), d.ints(d.below(4)), *numbers(-2), *numbers(-2)]
    for part in range(parts):  # means of squares are positive
        inputs += numbers(-2 if d.row.name == "Momentum" or (d.row.name == "Adam" and part == 0) else 0)
    attributes = d.having(norm_coefficient=d.uniform(0, 0.1), alpha=d.uniform(0.5, 0.99), beta=d.uniform(0.5, 0.99)) | d.some(
        epsilon=1e-3, decay_factor=d.uniform(0, 0.1), norm_coefficient_post=d.uniform(0, 0.1))
    attributes |= d.having(mode=d.pick(["standard", "nesterov"]))
    return d.node(inputs, attributes, len(shapes) * (parts + 1), magnitude=1)
