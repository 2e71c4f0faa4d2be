"""Putting a prototxt's layers together: filtered ones dropped, copies rewired, names kept apart.

Blob names are variables, as in Caffe: a layer reads the newest value written above it, and only a
layer that works in place may write a name again.
"""

from collections import Counter
from dataclasses import replace

from zoo.errors import MalformedPrototxt, Unsupported, UnsupportedLayers
from zoo.formats.caffe.feeding import (
    PROBABILITIES,
    find_losses,
    find_source,
    picture_shape,
    prune,
)
from zoo.formats.caffe.matching import parameter_prefix
from zoo.formats.caffe.net import Blobs, Input, Layer, Net, Parameters
from zoo.formats.caffe.sharing import Owners
from zoo.formats.caffe.slots import blob_names
from zoo.formats.caffe.states import is_measure, is_source
from zoo.formats.caffe.table import READERS, TABLE, check_arity
from zoo.formats.caffe.tree import Message

TRAINING_FIELDS = (
    "blob_share_mode",
    "blobs_lr",
    "exclude",
    "include",
    "loss_param",
    "loss_weight",
    "param",
    "phase",
    "propagate_down",
    "weight_decay",
)
MOST_TOLD = 100  # layers in one message; the detail has all


class Assembly:
    """A network in the making: what has been read so far, layer by layer in file order."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.inputs: list[Input] = []
        self.layers: list[Layer] = []
        self.dropped: list[str] = []
        self.unknown: list[str] = []
        self.unsupported: list[str] = []
        self.written: dict[str, str] = {}  # blobs by the file's names, and the layer that wrote
        self.copies: dict[str, str] = {}  # a Split's tops, and what they copy
        self.copied: set[str] = set()
        self.unfed: set[str] = set()  # what only training gives: labels, losses
        self.prefixes: Counter[str] = Counter()
        self.owners = Owners()
        self.is_training = False
        self.heads: list[Message] = []
        self.helpers: list[Message] = []
        self.ends: set[str] = set()  # layers that only a helping loss reads

    def add_training_input(
        self, kept: list[Message], layers: list[Message], blobs: Blobs | None
    ) -> None:
        """Take the data layer of a training description as the input, at its crop's size."""
        source = find_source(kept, layers)
        if source:
            self.is_training = True
            self._add_input(source.texts("top")[0], picture_shape(source, kept, blobs), source)
            self.heads, self.helpers = find_losses(kept)

    def add(self, layer: Message) -> None:
        """Add one layer, or note why it is left out."""
        kind = layer.text("type")
        title = f"{_name(layer)} ({kind})"
        if kind == "Input":
            self._add_inputs(layer)
        elif kind == "Split":
            self._add_copies(layer)
        elif any(layer is head for head in self.heads):
            layer.skip("top")  # The loss itself, in whose place stand the probabilities.
            bottoms = layer.texts("bottom")[:1]  # It reads labels too.
            top = self._free_blob("prob")
            self._add_layer(layer, PROBABILITIES[kind](layer), bottoms, [top])
        elif is_source(layer) or is_measure(layer):
            self._drop(layer, title)
        else:
            self._add_known(layer, kind)

    def finish(self, name: str, unknown: list[str]) -> Net:
        """Give the network, or the one error that names everything in it that is unsupported."""
        if self.unsupported:
            more = len(self.unsupported) - MOST_TOLD
            told = ", ".join(self.unsupported[:MOST_TOLD]) + (f" and {more} more" * (more > 0))
            raise UnsupportedLayers(
                f"{self.file}: the zoo cannot run these layers: {told}.",
                hint="Known layer types: " + ", ".join(sorted(TABLE)) + ".",
                layers=self.unsupported,
                network=name,
            )
        kept, pruned = prune(self.layers, self.ends) if self.ends else (self.layers, [])
        if not self.inputs or not kept:
            part = "layer that predicts" if self.inputs else "input"
            raise MalformedPrototxt(
                f"{self.file} describes no {part}.",
                hint="Give the deploy.prototxt: a network with an Input layer and its layers.",
                file=self.file,
            )
        return Net(
            name=name,
            inputs=tuple(self.inputs),
            layers=tuple(kept),
            dropped=(*self.dropped, *(f"{layer.name} ({layer.type})" for layer in pruned)),
            unknown=tuple(dict.fromkeys(unknown)),
        )

    def _add_known(self, layer: Message, kind: str) -> None:
        bottoms, tops = layer.texts("bottom"), layer.texts("top")
        unfed = [bottom for bottom in bottoms if bottom in self.unfed]
        try:
            if unfed and self.is_training:
                self._drop(layer, f"{_name(layer)} ({kind})")
                return
            if unfed:
                raise Unsupported(f"it reads {unfed[0]!r}, which only training gives")  # noqa: TRY301  # told with all others
            if kind not in READERS:
                raise Unsupported  # noqa: TRY301  # likewise
            parameters = READERS[kind](layer)
            check_arity(layer, parameters)
            self._add_layer(layer, parameters, bottoms, tops)
        except Unsupported as error:
            reason = f": {error}" if kind in READERS or unfed else ""
            self.unsupported.append(f"{_name(layer)} ({kind}{reason})")
            self.written |= dict.fromkeys(tops, _name(layer))

    def _add_layer(
        self, layer: Message, parameters: Parameters, bottoms: list[str], tops: list[str]
    ) -> None:
        resolved = [self._resolve(layer, bottom) for bottom in bottoms]
        name = self._unique_name(layer)
        made = Layer(name=name, bottoms=tuple(resolved), tops=tuple(tops), parameters=parameters)
        shares = self.owners.find_shares(layer, made)
        made = replace(made, shares=shares)
        self._check_name(layer, made)
        for index, top in enumerate(tops):
            is_in_place = index < len(bottoms) and bottoms[index] == top
            self._write(layer, top, name, is_in_place=is_in_place)
        self.layers += self._parted(made)
        layer.skip(*TRAINING_FIELDS)
        self.unknown += [f"{name}.{field}" for field in layer.unasked()]

    def _parted(self, layer: Layer) -> list[Layer]:
        """Part a convolution of several blobs into one each, all with the first one's weights."""
        is_several = len(layer.tops) > 1 and len(layer.tops) == len(layer.bottoms)
        if not is_several:
            return [layer]
        owned = self.owners.of(layer)
        parts = [replace(layer, bottoms=layer.bottoms[:1], tops=layer.tops[:1])]
        for bottom, top in zip(layer.bottoms[1:], layer.tops[1:], strict=True):
            name = self._numbered(layer.name)
            self.written[top] = name
            part = replace(layer, name=name, bottoms=(bottom,), tops=(top,), shares=owned)
            parts.append(part)
        return parts

    def _resolve(self, layer: Message, bottom: str) -> str:
        if bottom not in self.written:
            raise layer.refuse(
                f"layer {_name(layer)!r} reads the blob {bottom!r}, which no layer above it writes"
            )
        return self.copies.get(bottom, bottom)

    def _write(self, layer: Message, blob: str, name: str, *, is_in_place: bool) -> None:
        if blob in self.written and not is_in_place:
            raise layer.refuse(
                f"layer {_name(layer)!r} writes the blob {blob!r}, which a layer above it writes"
            )
        if blob in self.copied:
            raise layer.refuse(
                f"layer {_name(layer)!r} overwrites the blob {blob!r}, which a Split has copied"
            )
        self.copies.pop(blob, None)
        self.written[blob] = name

    def _unique_name(self, layer: Message) -> str:
        """Keep names apart: a repeated one is numbered."""
        name = _name(layer)
        prefix = parameter_prefix(name)
        if self.prefixes[prefix]:
            return self._numbered(name)
        self.prefixes[prefix] = 1
        return name

    def _numbered(self, name: str) -> str:
        prefix = parameter_prefix(name)
        number = self.prefixes[prefix] + 1
        while parameter_prefix(f"{name}_{number}") in self.prefixes:
            number += 1
        self.prefixes[prefix] = number  # So that no number is tried twice.
        self.prefixes[parameter_prefix(f"{name}_{number}")] += 1
        return f"{name}_{number}"

    def _check_name(self, layer: Message, made: Layer) -> None:
        """Refuse weights under a repeated name: the file's go to the first layer of that name."""
        name = _name(layer)
        own = set(range(len(blob_names(made)))) - {shared.index for shared in made.shares}
        if made.name == name or not own:
            return
        if any(above.name == name for above in self.layers):
            raise Unsupported("a second layer of this name, for which the file has no weights")
        raise Unsupported("its weights would be named as those of a layer above, but for a dot")

    def _drop(self, layer: Message, title: str) -> None:
        """Leave a layer out; what it writes is not there at prediction."""
        self.dropped.append(title)
        if any(layer is helper for helper in self.helpers):
            self.ends |= {self.written.get(bottom, "") for bottom in layer.texts("bottom")[:1]}
        self.unfed.update(top for top in layer.texts("top") if top not in self.written)

    def _add_inputs(self, layer: Message) -> None:
        shapes = [
            tuple(shape.integers("dim")) for shape in layer.message("input_param").messages("shape")
        ]
        tops = layer.texts("top")
        if len(shapes) == 1:
            shapes *= len(tops)
        if not tops or len(shapes) != len(tops):
            raise layer.refuse(
                f"Input {_name(layer)!r} has {len(tops)} tops and {len(shapes)} shapes"
            )
        for top, shape in zip(tops, shapes, strict=True):
            self._add_input(top, shape, layer)

    def _add_input(self, blob: str, shape: tuple[int, ...], layer: Message) -> None:
        if not shape or min(shape) < 1:
            raise layer.refuse(f"Input {blob!r} has the shape {shape}; sizes are at least 1")
        self._write(layer, blob, "", is_in_place=False)
        self.inputs.append(Input(blob=blob, shape=shape))

    def _add_copies(self, layer: Message) -> None:
        for bottom in layer.texts("bottom")[:1]:
            if bottom in self.unfed:
                self.unfed.update(layer.texts("top"))
                break
            source = self._resolve(layer, bottom)
            for top in layer.texts("top"):
                self._write(layer, top, self.written[bottom], is_in_place=False)
                self.copies[top] = source
                self.copied.add(source)
        self.dropped.append(f"{_name(layer)} (Split)")

    def _free_blob(self, wanted: str) -> str:
        while wanted in self.written:
            wanted += "_"
        return wanted


def _name(layer: Message) -> str:
    return layer.text("name") or next(iter(layer.texts("top")), "")
