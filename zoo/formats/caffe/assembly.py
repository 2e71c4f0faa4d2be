"""Putting a prototxt's layers together: filtered ones dropped, copies rewired, names kept apart.

Blob names are variables, as in Caffe: a layer reads the newest value written above it, and only a
layer that works in place may write a name again.
"""

from collections import Counter

from zoo.errors import MalformedPrototxt, Unsupported, UnsupportedLayers
from zoo.formats.caffe.matching import ROWS, parameter_prefix
from zoo.formats.caffe.net import Concat, Input, Layer, Net, Parameters, Softmax
from zoo.formats.caffe.states import DATA_TYPES, DROPPED_TYPES
from zoo.formats.caffe.table import TABLE, read_softmax
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


class Assembly:
    """A network in the making: what has been read so far, layer by layer in file order."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.inputs: list[Input] = []
        self.layers: list[Layer] = []
        self.dropped: list[str] = []
        self.unknown: list[str] = []
        self.unsupported: list[str] = []
        self.written: set[str] = set()  # blobs, under the names the file uses
        self.copies: dict[str, str] = {}  # a Split's tops, and what they copy
        self.copied: set[str] = set()
        self.prefixes: Counter[str] = Counter()
        self.shared: set[str] = set()
        self.loss: Message | None = None

    def add_training_input(self, kept: list[Message]) -> None:
        """Take the data layer of a training description as the input, at its crop's size."""
        for layer in kept:
            if layer.text("type") in DATA_TYPES and layer.texts("top"):
                self._add_input(layer.texts("top")[0], _data_shape(layer), layer)
                losses = [loss for loss in kept if loss.text("type") == "SoftmaxWithLoss"]
                has_softmax = any(other.text("type") == "Softmax" for other in kept)
                if len(losses) == 1 and not has_softmax:
                    self.loss = losses[0]
                return

    def find_shared(self, kept: list[Message]) -> None:
        """Note which parameters' names stand in several layers: those share one blob."""
        specs = [spec for layer in kept for spec in layer.messages("param")]
        for spec in specs:
            spec.skip("lr_mult", "decay_mult", "share_mode")
        counts = Counter(spec.text("name") for spec in specs)
        self.shared = {name for name, count in counts.items() if name and count > 1}

    def add(self, layer: Message) -> None:
        """Add one layer, or note why it is left out."""
        kind = layer.text("type")
        title = f"{_name(layer)} ({kind})"
        if kind == "Input":
            self._add_inputs(layer)
        elif kind == "Split":
            self._add_copies(layer)
        elif layer is self.loss:
            layer.skip("top")  # The loss itself, in whose place stand the probabilities.
            self._add_layer(layer, read_softmax(layer), tops=[self._free_blob("prob")])
        elif kind in DROPPED_TYPES:
            self.dropped.append(title)
        elif kind not in TABLE:
            self.unsupported.append(title)
            self.written.update(layer.texts("top"))
        else:
            self._add_known(layer, kind)

    def finish(self, name: str, unknown: list[str]) -> Net:
        """Give the network, or the one error that names everything in it that is unsupported."""
        if self.unsupported:
            raise UnsupportedLayers(
                f"{self.file}: the zoo cannot run these layers: {', '.join(self.unsupported)}.",
                hint="Known layer types: " + ", ".join(sorted(TABLE)) + ".",
                layers=self.unsupported,
            )
        if not self.inputs or not self.layers:
            part = "layer that predicts" if self.inputs else "input"
            raise MalformedPrototxt(
                f"{self.file} describes no {part}.",
                hint="Give the deploy.prototxt: a network with an Input layer and its layers.",
                file=self.file,
            )
        return Net(
            name=name,
            inputs=tuple(self.inputs),
            layers=tuple(self.layers),
            dropped=tuple(self.dropped),
            unknown=tuple(dict.fromkeys(unknown)),
        )

    def _add_known(self, layer: Message, kind: str) -> None:
        tops = layer.texts("top")
        try:
            parameters = TABLE[kind](layer)
            self._check_arity(layer, parameters, tops)
        except Unsupported as error:
            self.unsupported.append(f"{_name(layer)} ({kind}: {error})")
            self.written.update(tops)
            return
        self._add_layer(layer, parameters, tops)

    def _check_arity(self, layer: Message, parameters: Parameters, tops: list[str]) -> None:
        bottoms = layer.texts("bottom")
        if not bottoms or not tops:
            missing = "bottom" if tops else "top"
            raise layer.refuse(f"layer {_name(layer)!r} has no {missing}")
        if len(bottoms) > 1 and not isinstance(parameters, Concat):
            raise Unsupported(f"{len(bottoms)} bottoms")
        if len(tops) > 1:
            raise Unsupported(f"{len(tops)} tops")
        for spec in layer.messages("param"):
            if spec.text("name") in self.shared:
                raise Unsupported(f"shares the parameter {spec.text('name')!r}")

    def _add_layer(self, layer: Message, parameters: Parameters, tops: list[str]) -> None:
        bottoms = layer.texts("bottom")
        if isinstance(parameters, Softmax):
            bottoms = bottoms[:1]  # SoftmaxWithLoss reads labels too.
        resolved = tuple(self._resolve(layer, bottom) for bottom in bottoms)
        for index, top in enumerate(tops):
            self._write(layer, top, is_in_place=index < len(bottoms) and bottoms[index] == top)
        name = self._unique_name(layer, parameters)
        self.layers.append(
            Layer(name=name, bottoms=resolved, tops=tuple(tops), parameters=parameters)
        )
        layer.skip(*TRAINING_FIELDS)
        self.unknown += [f"{name}.{field}" for field in layer.unasked()]

    def _resolve(self, layer: Message, bottom: str) -> str:
        if bottom not in self.written:
            raise layer.refuse(
                f"layer {_name(layer)!r} reads the blob {bottom!r}, which no layer above it writes"
            )
        return self.copies.get(bottom, bottom)

    def _write(self, layer: Message, blob: str, *, is_in_place: bool) -> None:
        if blob in self.written and not is_in_place:
            raise layer.refuse(
                f"layer {_name(layer)!r} writes the blob {blob!r}, which a layer above it writes"
            )
        if blob in self.copied:
            raise layer.refuse(
                f"layer {_name(layer)!r} overwrites the blob {blob!r}, which a Split has copied"
            )
        self.copies.pop(blob, None)
        self.written.add(blob)

    def _unique_name(self, layer: Message, parameters: Parameters) -> str:
        """Keep names apart: a repeated one without weights is numbered, as they need not match."""
        name = _name(layer)
        prefix = parameter_prefix(name)
        self.prefixes[prefix] += 1
        if self.prefixes[prefix] == 1:
            return name
        if type(parameters) in ROWS:
            kind = type(parameters).__name__
            self.unsupported.append(f"{name} ({kind}: a second layer of this name)")
            return name
        number = self.prefixes[prefix]
        while parameter_prefix(f"{name}_{number}") in self.prefixes:
            number += 1
        self.prefixes[prefix] = number  # So that no number is tried twice.
        self.prefixes[parameter_prefix(f"{name}_{number}")] += 1
        return f"{name}_{number}"

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
        self._write(layer, blob, is_in_place=False)
        self.inputs.append(Input(blob=blob, shape=shape))

    def _add_copies(self, layer: Message) -> None:
        for bottom in layer.texts("bottom")[:1]:
            source = self._resolve(layer, bottom)
            for top in layer.texts("top"):
                self._write(layer, top, is_in_place=False)
                self.copies[top] = source
                self.copied.add(source)
        self.dropped.append(f"{_name(layer)} (Split)")

    def _free_blob(self, wanted: str) -> str:
        while wanted in self.written:
            wanted += "_"
        return wanted


def _name(layer: Message) -> str:
    return layer.text("name") or next(iter(layer.texts("top")), "")


def _data_shape(layer: Message) -> tuple[int, ...]:
    """Read the size of the pictures a data layer gives: its crop, or what it resizes to."""
    transform, resize = layer.message("transform_param"), layer.message("image_data_param")
    crop = transform.integer("crop_size", 0)
    height = crop or resize.integer("new_height", 0)
    width = crop or resize.integer("new_width", 0)
    if not height or not width:
        raise MalformedPrototxt(
            f"{layer.name}, line {layer.line}: no Input layer is there, and the data layer"
            f" {_name(layer)!r} does not tell the size of its pictures.",
            hint="Write a deploy.prototxt with an Input layer, or give the data layer a crop_size.",
            file=layer.name,
            line=layer.line,
        )
    is_gray = transform.flag("force_gray", default=False)
    is_gray = is_gray or not resize.flag("is_color", default=True)
    return 1, 1 if is_gray else 3, height, width
