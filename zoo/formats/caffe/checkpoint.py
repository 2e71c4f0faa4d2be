"""A Caffe package, or a lone .caffemodel, as a checkpoint."""

from collections.abc import Mapping
from pathlib import Path

from zoo.domain.checkpoint import Checkpoint, Wishes
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Source
from zoo.domain.weights import Array, Weights
from zoo.errors import IncompletePackage, Unsupported
from zoo.formats.caffe.caffemodel import read_blobs
from zoo.formats.caffe.matching import Matching, to_weights
from zoo.formats.caffe.net import Blobs, Net
from zoo.formats.caffe.normalise import normalise
from zoo.formats.caffe.package import WEIGHTS, Package, read_package
from zoo.formats.caffe.preprocessing import find_preprocessing
from zoo.formats.caffe.reading import read_net, read_text
from zoo.formats.caffe.recover import recover_net
from zoo.formats.caffe.writing import write_prototxt

KIND = "caffe"
RECOVERED = "recovered.prototxt"  # the network that was found in the weights' own file
NORMALISED = "network.prototxt"  # the network with its layers in their standard forms


def is_caffe(names: Mapping[str, Path]) -> bool:
    """Tell whether these files are a Caffe package."""
    return any(name.endswith((*WEIGHTS, ".prototxt")) for name in names)


def read_caffe_checkpoint(files: Mapping[str, Path], wishes: Wishes) -> Checkpoint:
    """Read a Caffe package: deploy.prototxt, weights, readme; or the weights alone.

    A network with layers that the zoo cannot run is a checkpoint without a source, whose weights
    are named ``<layer>.<number of the blob>``.

    Raises:
        IncompletePackage, MalformedCard, MalformedPrototxt, MalformedCheckpoint, WeightsMismatch:
            the package cannot be right.
        DigestMismatch: the weights do not have the SHA-1 that the readme announces.
    """
    package = read_package(files, labels=wishes.labels)
    blobs = read_blobs(package.weights.path, name=package.weights.name)
    try:
        return _runnable(package, blobs, wishes)
    except Unsupported as error:
        return _stored(package, blobs, str(error))
    except IncompletePackage as error:
        if package.prototxt:
            raise
        # Weights that came alone can be kept, even where they do not tell their network.
        return _stored(package, blobs, f"{error} {error.hint}")


def _runnable(package: Package, blobs: Blobs, wishes: Wishes) -> Checkpoint:
    written = _describe(package, blobs)
    net, fitting = normalise(written, blobs)
    weights, matching = to_weights(net, fitting)
    extra: dict[str, bytes] = {}
    path = package.prototxt.name if package.prototxt else RECOVERED
    if net != written:
        path = NORMALISED
    if path in {NORMALISED, RECOVERED}:
        extra[path] = write_prototxt(net).encode()
    preprocessing, mean_image = _prepare(package, net, wishes)
    return Checkpoint(
        kind=KIND,
        title=package.title,
        architecture=net.name or package.title,
        weights=weights,
        source=Source(kind=KIND, path=path),
        labels=package.labels,
        preprocessing=preprocessing,
        mean_image=mean_image,
        licence=package.licence,
        prose=package.prose,
        tags=(KIND,),
        notes=_notes(package, net, matching, is_normalised=NORMALISED in extra),
        files=extra,
    )


def _describe(package: Package, blobs: Blobs) -> Net:
    """Read the network, from its prototxt or out of the weights' own file."""
    if package.prototxt:
        text = read_text(package.prototxt.path, name=package.prototxt.name)
        return read_net(text, name=package.prototxt.name, blobs=blobs)
    return recover_net(package.weights.path, name=package.weights.name, blobs=blobs)


def _prepare(
    package: Package, net: Net, wishes: Wishes
) -> tuple[Preprocessing | None, Array | None]:
    """Find how pictures are prepared; None where the network does not read one picture."""
    try:
        return find_preprocessing(package, net, given=wishes.preprocessing)
    except Unsupported:
        return None, None


def _notes(
    package: Package, net: Net, matching: Matching, *, is_normalised: bool
) -> tuple[str, ...]:
    """Say what is not as a reader would expect."""
    notes = [f"The package has {phrase}." for phrase in package.missing]
    if package.prototxt is None:
        notes.append(
            f"There is no prototxt; the network was recovered from {package.weights.name}, as"
            f" {RECOVERED}."
        )
    if is_normalised:
        notes.append(
            f"Layers in a form of Caffe's forks were written in the standard one, in {NORMALISED}."
        )
    if net.dropped:
        notes.append(f"Layers left out for prediction: {', '.join(net.dropped)}.")
    if net.unknown:
        notes.append(f"Fields not understood and not used: {', '.join(net.unknown)}.")
    if matching.ignored:
        notes.append(
            f"Weights of layers that the network lacks, not used: {', '.join(matching.ignored)}."
        )
    return tuple(notes)


def _stored(package: Package, blobs: Blobs, reason: str) -> Checkpoint:
    """Keep the numbers of a network that cannot be run, under the names of its layers."""
    weights: Weights = {
        f"{layer}.{index}": blob
        for layer, every in blobs.items()
        for index, blob in enumerate(every)
    }
    return Checkpoint(
        kind=KIND,
        title=package.title,
        architecture=package.title,
        weights=weights,
        reason=reason,
        labels=package.labels,
        licence=package.licence,
        prose=package.prose,
        tags=(KIND,),
        notes=tuple(f"The package has {phrase}." for phrase in package.missing),
    )
