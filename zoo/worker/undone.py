"""Dense networks turned back into the classifiers that they were made of."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from torch.fx import GraphModule

from zoo.domain.recipe import Recipe
from zoo.domain.surgery import Convolutionalize
from zoo.domain.weights import Array, Weights
from zoo.errors import ParityBroken
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.dense import convolutionalize
from zoo.worker.parent import Parent

# How rows of a map's numbers may lie in a fully connected layer: c, h, w; or h, w, c.
ORDERS = ((0, 1, 2, 3), (0, 2, 3, 1))


def undo_dense(parent: Parent) -> Parent:
    """Give a revision as if it had not been made dense; one that was not stays as it is.

    Raises:
        ParityBroken: its weights are not those of such a classifier.
    """
    recipe = parent.config.recipe
    if find_convolutionalize(recipe) is None:
        return parent
    network = build_original(recipe, parent.paths, parent.weights)
    before = replace(recipe, surgeries=recipe.surgeries[:-1])
    return replace(parent, config=replace(parent.config, recipe=before), network=network)


def find_convolutionalize(recipe: Recipe) -> Convolutionalize | None:
    """Give the surgery that makes the network of a recipe dense; None where it is not."""
    last = recipe.surgeries[-1] if recipe.surgeries else None
    return last if isinstance(last, Convolutionalize) else None


def build_original(recipe: Recipe, paths: Mapping[str, Path], weights: Weights) -> GraphModule:
    """Build what a dense network was made of, out of the dense one's weights.

    They are the same numbers in other shapes, or in another order: the surgery itself is asked
    which one gives them back.

    Raises:
        WeightsMismatch: they are not the weights of such a network.
        ParityBroken: no order gives them back.
    """
    before = replace(recipe, surgeries=recipe.surgeries[:-1])
    surgery = find_convolutionalize(recipe)
    assert surgery is not None
    turned: set[str] = set()
    for _ in ORDERS:
        network = build_network(before, paths)
        shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        orders = {name: ORDERS[name in turned] for name in weights}
        rows = {name: _as_rows(weights[name], shapes.get(name), orders[name]) for name in weights}
        load_weights(network, rows)
        again = weights_of(convolutionalize(network, surgery))
        differing = {
            name
            for name in again.keys() & weights.keys()
            if not np.array_equal(again[name], weights[name], equal_nan=True)
        }
        if not differing:
            return network
        turned |= differing
    raise ParityBroken(
        f"{', '.join(sorted(turned))} of the dense network are not the numbers of the network"
        " that its recipe names.",
        hint="Import the classifier that it was made of, and make that dense.",
    )


def _as_rows(array: Array, shape: tuple[int, ...] | None, order: Sequence[int]) -> Array:
    """Give numbers in the shape they had; filters of a fully connected layer as its rows."""
    if shape is None or array.shape == shape or array.size != math.prod(shape):
        return array
    laid = array.transpose(order) if array.ndim == len(order) else array
    return laid.reshape(shape)
