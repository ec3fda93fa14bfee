"""The model: a perceptron with two hidden layers and dropout, in float32.

The order of operations is fixed, so that on one machine, with one thread, equal
inputs give equal bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy
from numpy.typing import NDArray

from chaosml.reference.dataset import CLASSES, PIXELS

__all__ = ["Parameters", "differentiate", "initialise", "predict"]

_Floats = NDArray[numpy.float32]
Parameters = dict[str, _Floats]

_HIDDEN = 64
_KEPT = numpy.float32(0.9)
"""Share of hidden units that dropout keeps."""
_SIZES = (PIXELS, _HIDDEN, _HIDDEN, CLASSES)


def initialise(generator: numpy.random.Generator) -> Parameters:
    """Return fresh parameters: He's initialisation, biases zero."""
    parameters: Parameters = {}
    for layer, (before, after) in enumerate(itertools.pairwise(_SIZES), start=1):
        weights = generator.standard_normal((before, after), dtype=numpy.float32)
        parameters[f"w{layer}"] = weights * numpy.float32((2 / before) ** 0.5)
        parameters[f"b{layer}"] = numpy.zeros(after, dtype=numpy.float32)
    return parameters


def predict(parameters: Mapping[str, NDArray[Any]], images: _Floats) -> NDArray[numpy.int64]:
    """Return the most likely class of every image."""
    first = numpy.maximum(images @ parameters["w1"] + parameters["b1"], 0)
    second = numpy.maximum(first @ parameters["w2"] + parameters["b2"], 0)
    scores: NDArray[numpy.int64] = (second @ parameters["w3"] + parameters["b3"]).argmax(axis=1)
    return scores


def differentiate(
    parameters: Parameters,
    images: _Floats,
    labels: NDArray[numpy.int64],
    generator: numpy.random.Generator,
) -> tuple[float, Parameters]:
    """Return the mean cross entropy of a batch and its gradient; dropout draws from `generator`."""
    mask1 = _draw_mask(generator, len(images))
    mask2 = _draw_mask(generator, len(images))
    hidden1 = numpy.maximum(images @ parameters["w1"] + parameters["b1"], 0) * mask1
    hidden2 = numpy.maximum(hidden1 @ parameters["w2"] + parameters["b2"], 0) * mask2
    loss, error3 = _cross_entropy(hidden2 @ parameters["w3"] + parameters["b3"], labels)
    error2 = (error3 @ parameters["w3"].T) * mask2 * (hidden2 > 0)
    error1 = (error2 @ parameters["w2"].T) * mask1 * (hidden1 > 0)
    return loss, {
        "w1": images.T @ error1,
        "b1": error1.sum(axis=0),
        "w2": hidden1.T @ error2,
        "b2": error2.sum(axis=0),
        "w3": hidden2.T @ error3,
        "b3": error3.sum(axis=0),
    }


def _draw_mask(generator: numpy.random.Generator, rows: int) -> _Floats:
    drawn = generator.random((rows, _HIDDEN), dtype=numpy.float32)
    return (drawn < _KEPT).astype(numpy.float32) / _KEPT


def _cross_entropy(scores: _Floats, labels: NDArray[numpy.int64]) -> tuple[float, _Floats]:
    """Return the mean loss and its derivative by the scores."""
    rows = numpy.arange(len(labels))
    shares = numpy.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    loss = float(-numpy.log(shares[rows, labels] + numpy.float32(1e-12)).mean())
    shares[rows, labels] -= 1
    return loss, shares / numpy.float32(len(labels))
