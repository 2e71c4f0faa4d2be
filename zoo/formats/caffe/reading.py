"""A prototxt's text to a network for prediction: filtered, reduced, checked and typed."""

from pathlib import Path

from zoo.errors import MalformedPrototxt, TooLarge
from zoo.formats.caffe.assembly import Assembly
from zoo.formats.caffe.net import Blobs, Net
from zoo.formats.caffe.prototxt import parse_prototxt
from zoo.formats.caffe.states import is_kept
from zoo.formats.caffe.tree import Message
from zoo.formats.caffe.upgrade import upgrade

LARGEST_TEXT = 2 * 2**20  # characters; the largest published prototxt has 440,000

MOST_LAYERS = 10_000  # the deepest published network has some 3,000


def read_text(path: Path, *, name: str = "") -> str:
    """Read a prototxt's text; bytes that are not UTF-8 stand in comments and are replaced.

    ``name`` is what errors call the file, where it lies under another one.

    Raises:
        TooLarge: the file is longer than any network.
        MalformedPrototxt: the file is binary.
    """
    with path.open("rb") as file:
        content = file.read(LARGEST_TEXT + 1)
    name = name or path.name
    _check_length(len(content), name)
    if b"\0" in content:
        raise MalformedPrototxt(
            f"{name}, byte {content.index(0)}: the file is binary, not text.", file=name
        )
    return content.decode("utf-8-sig", errors="replace")


def read_net(text: str, *, name: str, blobs: Blobs | None = None) -> Net:
    """Read a prototxt of any generation as a network for prediction.

    Layers of the TRAIN phase, sources, losses and measures are left out; ``Split`` becomes plain
    wiring; where only a training description is given, its data layer becomes the input and its
    losses the probabilities they contain. ``name`` is the file's name, for errors; the channels of
    a data layer are told by ``blobs``, its weights, where they are given.

    Raises:
        MalformedPrototxt: the text or the wiring is wrong; says at which line or layer.
        UnsupportedLayers: layers the zoo cannot run, all of them by name and type.
    """
    _check_length(len(text), name)
    return assemble(upgrade(parse_prototxt(text, name=name)), blobs=blobs)


def assemble(root: Message, *, blobs: Blobs | None = None) -> Net:
    """Put the network together that an upgraded tree describes; as ``read_net``."""
    assembly = Assembly(root.name)
    layers = root.messages("layer")
    if len(layers) > MOST_LAYERS:
        raise TooLarge(
            f"{root.name} has {len(layers)} layers, more than {MOST_LAYERS}.", file=root.name
        )
    kept = [layer for layer in layers if is_kept(layer)]
    if not any(layer.text("type") == "Input" for layer in kept):
        assembly.add_training_input(kept, layers, blobs)
    for layer in kept:
        assembly.add(layer)
    unknown = [key for key, _ in root.fields if key not in root.asked]
    return assembly.finish(root.text("name"), [*unknown, *assembly.unknown])


def _check_length(length: int, name: str) -> None:
    if length > LARGEST_TEXT:
        raise TooLarge(
            f"{name} is longer than {LARGEST_TEXT} characters, more than any network description.",
            hint="Give the network's prototxt, not its weights.",
            file=name,
        )
