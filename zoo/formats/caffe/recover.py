"""The network out of a lone .caffemodel: a snapshot holds the layers it was trained with.

Its typed parameters are read by the numbers of BVLC's caffe.proto into the tree a prototxt gives,
which is then upgraded and put together like one. Only files of stock Caffe can be read so: where
a fork's numbers could mean something else, the layers are refused by name.
"""

from collections.abc import Iterator
from pathlib import Path

from zoo.errors import IncompletePackage, MalformedPrototxt, UnsupportedLayers
from zoo.formats import wire
from zoo.formats.caffe.caffemodel import HDF5_SIGNATURE, read_blobs
from zoo.formats.caffe.net import Blobs, Net
from zoo.formats.caffe.prototxt import MOST_VALUES
from zoo.formats.caffe.reading import assemble
from zoo.formats.caffe.schema import (
    FLAG,
    FLOAT,
    INT,
    NET,
    SECTION_OF,
    SECTIONS,
    SKIP,
    TEXT,
    Kind,
    Schema,
)
from zoo.formats.caffe.sizing import find_sized
from zoo.formats.caffe.states import is_measure, is_source
from zoo.formats.caffe.table import READERS
from zoo.formats.caffe.tree import Message, Word
from zoo.formats.caffe.upgrade import upgrade
from zoo.formats.mapped import map_file

HINT = "Write the network down as a deploy.prototxt, and put it beside the weights."
MOST_FIELDS = 2**18
LONGEST_TEXT = 2**12  # bytes of one name
UNKNOWN = "unknown"
AMBIGUOUS_ROUNDING = "field_13"  # of a Pooling; see ``schema``


def recover_net(path: Path, *, name: str = "", blobs: Blobs | None = None) -> Net:
    """Recover the network that a .caffemodel was saved from, as one for prediction.

    ``name`` is what errors call the file; ``blobs`` are its numbers, where they are read already.

    Raises:
        IncompletePackage: the file holds no network, or not the size of its pictures.
        UnsupportedLayers: layers the zoo cannot run, or whose parameters the file cannot tell.
        MalformedCheckpoint: the file is damaged; says where.
    """
    name = name or path.name
    octets = map_file(path, name=name)
    if bytes(octets[: len(HDF5_SIGNATURE)]) == HDF5_SIGNATURE:
        raise IncompletePackage(
            f"There is no prototxt, and {name} holds numbers alone, as HDF5 snapshots do.",
            hint=HINT,
            file=name,
        )
    message = wire.Message(octets, name=name, most_fields=MOST_FIELDS)
    blobs = read_blobs(path, name=name) if blobs is None else blobs
    try:
        root = upgrade(read_tree(message))
        _refuse_untold(root)
        return _put_together(root, blobs)
    except MalformedPrototxt as error:
        raise IncompletePackage(
            f"There is no prototxt, and {name} does not tell the whole network. As if written a"
            f" layer a line: {error}",
            hint=HINT,
            file=name,
        ) from error


def _put_together(root: Message, blobs: Blobs) -> Net:
    """Put the network together, with the size of pictures that the weights tell if need be."""
    try:
        return assemble(root, blobs=blobs)
    except MalformedPrototxt:
        found = find_sized(root, blobs, lambda tree: assemble(tree, blobs=blobs))
        if found is None:
            raise
        return found


def read_tree(message: wire.Message) -> Message:
    """Read the typed parameters of a NetParameter into a tree, a layer a line; never its numbers.

    Raises:
        MalformedCheckpoint: the bytes cannot be a network; says at which byte.
    """
    reader = _Reader(message.name)
    return reader.read(message, NET, 1)


class _Reader:
    """Reads messages by their schemas, and bounds how many values there are."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.left = MOST_VALUES

    def read(self, message: wire.Message, schema: Schema, line: int) -> Message:
        tree = Message(self.name, line)
        for number, field in enumerate(message.fields(), line):
            name, kind = schema.get(field.number, (f"field_{field.number}", UNKNOWN))
            if kind != SKIP:
                place = number if schema is NET else line
                values = self._values(message, field, kind, place)
                tree.fields += [(name, value) for value in values]
        return tree

    def _values(
        self, message: wire.Message, field: wire.Field, kind: Kind, line: int
    ) -> Iterator[Word | Message]:
        if not isinstance(kind, str):
            yield self.read(message.child(field), kind, line)
            return
        for text in _texts(message, field, kind):
            self.left -= 1
            if self.left < 0:
                raise message.refuse(
                    field.offset, f"the network has more than {MOST_VALUES} values"
                )
            yield Word(text, line)


def _texts(message: wire.Message, field: wire.Field, kind: str) -> Iterator[str]:
    """Spell the values of a field as a prototxt would."""
    if kind == UNKNOWN:
        yield ""
    elif kind == TEXT:
        if field.end - field.start > LONGEST_TEXT:
            raise message.refuse(field.offset, f"a name takes more than {LONGEST_TEXT} bytes")
        yield message.text(field)
    elif kind == FLOAT:
        yield from map(str, message.numbers(field, "<f4"))
    elif kind == FLAG:
        yield from (str(value != 0).lower() for value in message.varints(field))
    elif kind == INT:
        yield from map(str, message.varints(field))


def _refuse_untold(root: Message) -> None:
    """Refuse, all at once, the layers whose parameters this file cannot be trusted to tell."""
    refused = []
    for layer in root.messages("layer"):
        kind, name = layer.text("type"), layer.text("name")
        if kind in SECTION_OF:
            own = SECTION_OF[kind]
            _set_aside(layer, own)
            if kind == "Pooling" and layer.message(own).has(AMBIGUOUS_ROUNDING):
                refused.append(f"{name} ({kind}: its way to round is not the same in all forks)")
        elif kind in READERS or not (is_source(layer) or is_measure(layer)):
            refused.append(f"{name} ({kind})")
    if refused:
        raise UnsupportedLayers(
            f"{root.name} does not tell the parameters of these layers: {', '.join(refused)}.",
            hint=HINT,
            layers=refused,
        )


def _set_aside(layer: Message, own: str) -> None:
    """Tell sections that are not of the layer's type as not understood: a fork's, by its number."""
    layer.fields = [
        (f"{key}?" if key in SECTIONS and key != own else key, value) for key, value in layer.fields
    ]
