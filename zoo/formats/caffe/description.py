"""A prototxt that came without weights, as a checkpoint that has none yet."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from zoo.domain.checkpoint import Checkpoint
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Source
from zoo.errors import Unsupported
from zoo.formats.caffe.checkpoint import KIND, NORMALISED
from zoo.formats.caffe.matching import expected_slots
from zoo.formats.caffe.net import BN, BatchNorm, Blobs, Net
from zoo.formats.caffe.normalise import normalise
from zoo.formats.caffe.package import Member, Package
from zoo.formats.caffe.preprocessing import find_preprocessing
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.writing import write_prototxt

DEPLOY = "deploy.prototxt"  # what the description is kept as


def read_caffe_description(
    path: Path, *, name: str, given: Mapping[str, Any] | None = None
) -> Checkpoint:
    """Read a deploy.prototxt or train_val.prototxt; ``name`` is what errors call it.

    Pictures are prepared as ``given`` says, as the data layer of a training description does, or
    as networks of this kind were. Layers that only forks have are written in the standard form.

    Raises:
        MalformedPrototxt, TooLarge: it describes no network.
        UnsupportedLayers: it has layers that the zoo cannot run.
        Invalid: a field that was given cannot be.
    """
    written = read_net(read_text(path, name=name), name=name)
    net, _ = normalise(written, _blank(written))
    is_changed = net != written
    title = net.name or name.removesuffix(".prototxt")
    notes = [f"Layers left out for prediction: {', '.join(net.dropped)}."] if net.dropped else []
    if net.unknown:
        notes.append(f"Fields not understood and not used: {', '.join(net.unknown)}.")
    return Checkpoint(
        kind=KIND,
        title=title,
        architecture=title,
        weights={},
        source=Source(kind=KIND, path=NORMALISED if is_changed else DEPLOY),
        preprocessing=_prepare(path, name, net, given),
        tags=(KIND,),
        notes=tuple(notes),
        files={NORMALISED: write_prototxt(net).encode()} if is_changed else {},
    )


def _prepare(
    path: Path, name: str, net: Net, given: Mapping[str, Any] | None
) -> Preprocessing | None:
    """Find how pictures are prepared; None where the network does not read one picture."""
    own = Member(name=name, path=path)
    # A package's weights are not looked at for this; a training description may be the file itself.
    package = Package(title=name, prototxt=own, weights=own, train_val=own)
    try:
        preprocessing, _ = find_preprocessing(package, net, given=given)
    except Unsupported:
        return None
    return preprocessing


def _blank(net: Net) -> Blobs:
    """Give zeros for the normalisations, whose blobs tell which fork's they are."""
    slots = expected_slots(net)
    return {
        layer.name: tuple(np.zeros(slot.shape, np.float32) for slot in slots[layer.name])
        for layer in net.layers
        if isinstance(layer.parameters, BN | BatchNorm)
    }
