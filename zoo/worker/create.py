"""The first part of a creation's job: the network is built and its numbers are drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.fx import GraphModule

from zoo.domain.dataset import Split
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.revision import Blob
from zoo.errors import Invalid
from zoo.filters.scheme import Scheme, parse_scheme
from zoo.filters.table import DRAWN, FROM_PICTURES, FROM_SOURCE
from zoo.formats.caffe.description import DEPLOY
from zoo.formats.caffe.fillers import read_fillers
from zoo.formats.caffe.reading import read_text
from zoo.formats.safetensors import write_safetensors
from zoo.images.prepare import read_picture
from zoo.networks.build import build_network, load_weights, weights_of
from zoo.networks.initial import Fillers, initialise
from zoo.networks.preprocess import Preprocess
from zoo.networks.vision import initial_weights
from zoo.operations.datasets import get_dataset
from zoo.operations.draft import Draft
from zoo.operations.opening import Zoo
from zoo.worker.described import NAMED, as_described
from zoo.worker.network import shapes_of_inputs
from zoo.worker.progress import Progress

FEWEST, MOST = 8, 256  # pictures that a scheme looks at
PIXELS = 64 * 224 * 224  # of all of them, which bounds what the network's first maps take
NOISE = 16  # pictures of noise, where there are no others
MIDDLE, SPREAD = 128, 45  # of their pixels, and of their colours
WHY = (
    "He et al. keep the variance of what passes through ReLUs; LSUV mends what their formula does"
    " not see, such as poolings, paddings and branches"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A network's first numbers, kept."""

    draft: Draft
    weights: Blob
    summary: dict[str, Any]


def draw_weights(
    zoo: Zoo,
    draft: Draft,
    params: Mapping[str, Any],
    paths: Mapping[str, Path],
    progress: Progress,
) -> Drawn:
    """Draw the weights of an architecture that came without any, on the CPU.

    Raises:
        Invalid: there is no architecture, the scheme has no filters for one of its layers, or it
            reads no pictures and a dataset was named.
        Unsupported: the architecture cannot be built.
    """
    scheme, seed = parse_scheme(params["init"]), params["seed"]
    network, pictures = _build(draft, seed, paths)
    inputs: tuple[Tensor, ...] = ()
    seen = ""
    if scheme.needs_pictures or scheme.has_lsuv:
        inputs, seen = _inputs(zoo, network, pictures, params)
    progress.say("draw", f"drawing the filters by {scheme}" + f", looking at {seen}" * bool(seen))
    begun = initialise(network, scheme, seed=seed, inputs=inputs, stated=_stated(scheme, paths))
    weights = weights_of(network)
    notes = (_tell(scheme, seed, seen), *begun.notes)
    return Drawn(
        draft=replace(
            draft,
            parameters=sum(array.size for array in weights.values()),
            notes=(*draft.notes, *notes),
        ),
        weights=zoo.blobs.put(write_safetensors(weights)),
        summary={
            "initialised": {
                "scheme": str(scheme),
                "seed": seed,
                "data": params["data"],
                "looked_at": seen or None,
                "notes": list(begun.notes),
            }
        },
    )


def _build(
    draft: Draft, seed: int, paths: Mapping[str, Path]
) -> tuple[GraphModule, Preprocessing | None]:
    """Build the network; what a library draws is drawn, the rest is unset."""
    if draft.recipe is None:
        raise Invalid("There is no architecture to draw weights for.", hint="Name it: --arch")
    if draft.recipe.source.kind not in NAMED:
        return build_network(draft.recipe, paths), draft.pictures
    weights = initial_weights(draft.recipe.source, seed=seed)
    told, recipe = as_described(draft, draft.recipe, weights)
    network = build_network(recipe, paths)
    load_weights(network, weights)
    return network, told.pictures


def _inputs(
    zoo: Zoo, network: GraphModule, pictures: Preprocessing | None, params: Mapping[str, Any]
) -> tuple[tuple[Tensor, ...], str]:
    """Give what the network is to read, training pictures or noise, and what that is in words."""
    if params["data"] is not None:
        return _training_pictures(zoo, pictures, params["data"])
    told = f"{NOISE} pictures of noise of many colours, as no dataset was named"
    return _noise(network, pictures, np.random.default_rng(params["seed"])), told


def _noise(
    network: GraphModule, pictures: Preprocessing | None, rng: np.random.Generator
) -> tuple[Tensor, ...]:
    """Draw pictures that differ from each other in colour, as photographs do.

    Were they all of one colour, what pools whole maps would hardly vary, and LSUV would have the
    gates that weigh channels by it (squeeze-and-excitation) blow rounding up.
    """
    if pictures is None:
        shapes = shapes_of_inputs(network, pictures).values()
        drawn = [
            rng.standard_normal((NOISE, *shape[1:]), np.float32)
            + rng.standard_normal((NOISE, *shape[1:2], *(1,) * len(shape[2:])), np.float32)
            for shape in shapes
        ]
        return tuple(map(torch.from_numpy, drawn))
    tint = rng.normal(MIDDLE, SPREAD, (NOISE, 1, 1, 3))
    pixels = rng.normal(tint, SPREAD, (NOISE, *pictures.crop_px, 3)).clip(0, 255).astype(np.uint8)
    prepared: Tensor = Preprocess(pictures)(torch.from_numpy(pixels))
    return (prepared,)


def _training_pictures(
    zoo: Zoo, pictures: Preprocessing | None, address: str
) -> tuple[tuple[Tensor, ...], str]:
    """Read the training pictures whose digests come first, prepared as for the network."""
    if pictures is None:
        raise Invalid(
            "The network reads no picture, so it cannot look at those of a dataset.",
            hint="Leave --data out; the scale is then found on noise.",
        )
    height, width = pictures.crop_px
    most = min(max(PIXELS // (height * width), FEWEST), MOST)
    training = get_dataset(zoo, address).of_split(Split.TRAIN)
    digests = sorted({picture.digest for picture in training})[:most]
    read = [
        read_picture(
            zoo.blobs.local_path(digest),
            pictures,
            name=digest,
            max_pixels=zoo.settings.max_picture_pixels,
        )
        for digest in digests
    ]
    prepared: Tensor = Preprocess(pictures)(torch.from_numpy(np.stack(read)))
    return (prepared,), f"{len(read)} training pictures of {address}"


def _stated(scheme: Scheme, paths: Mapping[str, Path]) -> dict[str, Fillers]:
    """Give the fillers that the prototxt states, where the scheme is to follow them."""
    if scheme.name != "prototxt":
        return {}
    found = read_fillers(read_text(paths[DEPLOY], name=DEPLOY), name=DEPLOY)
    return {
        layer: Fillers(weight=parse_scheme(weight or "constant"), bias=parse_scheme(bias))
        for layer, (weight, bias) in found.items()
    }


def _tell(scheme: Scheme, seed: int, seen: str) -> str:
    """Say how the filters began, for the card."""
    row = DRAWN.get(scheme.name)
    formula = row.told if row else (FROM_PICTURES | FROM_SOURCE)[scheme.name]
    told = f"Nobody has trained it. Its filters were drawn by `{scheme}`, {formula}, by the seed"
    told += f" {seed}"
    if seen and scheme.needs_pictures:
        told += f", out of {seen}"
    if not scheme.has_lsuv:
        return told + "."
    told += f"; then each layer was scaled to outputs of unit variance (LSUV) on {seen}."
    return told + f" Why so: {WHY}." * (scheme.name == "he")
