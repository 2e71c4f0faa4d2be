"""The fillers that a prototxt states: how Caffe draws each layer's numbers before training.

Prediction has no use for them, so a ``Net`` does not hold them. Source: FillerParameter in
BVLC/caffe's caffe.proto, whose default is the constant 0.
"""

from collections.abc import Mapping

from zoo.errors import Unsupported
from zoo.formats.caffe.matching import parameter_prefix
from zoo.formats.caffe.prototxt import parse_prototxt
from zoo.formats.caffe.states import is_kept
from zoo.formats.caffe.tree import Message
from zoo.formats.caffe.upgrade import upgrade

SECTIONS = ("convolution_param", "inner_product_param")
NUMBERS: Mapping[str, tuple[str, ...]] = {
    "bilinear": (),
    "constant": ("value",),
    "gaussian": ("mean", "std", "sparse"),
    "msra": (),
    "positive_unitball": (),
    "uniform": ("min", "max"),
    "xavier": (),
}
NORMED = {"xavier", "msra"}
VARIANCE_NORMS = {0: "FAN_IN", 1: "FAN_OUT", 2: "AVERAGE"}
DEFAULT = "constant"


def read_fillers(text: str, *, name: str) -> dict[str, tuple[str | None, str]]:
    """Give the fillers of weight and bias of each convolution and fully connected layer.

    By the layer's name in a state dict; each filler as ``gaussian:std=0.01,sparse=15``. A weight
    for which none is stated has None. ``name`` is the file's, for errors.

    Raises:
        MalformedPrototxt: the text cannot be read, or a number of a filler.
        Unsupported: a filler is of a type that Caffe does not have.
    """
    found: dict[str, tuple[str | None, str]] = {}
    for layer in upgrade(parse_prototxt(text, name=name)).messages("layer"):
        sections = [layer.message(key) for key in SECTIONS if layer.has(key)]
        if sections and is_kept(layer):
            section = sections[0]
            is_stated = section.has("weight_filler")
            weight = _tell(section.message("weight_filler")) if is_stated else None
            prefix = parameter_prefix(layer.text("name"))
            found[prefix] = (weight, _tell(section.message("bias_filler")))
    return found


def _tell(filler: Message) -> str:
    """Write a filler down with the options that are stated."""
    kind = filler.text("type", DEFAULT)
    if kind not in NUMBERS:
        raise Unsupported(
            f"{filler.name}, line {filler.line}: there is no filler {kind!r}.",
            hint=f"Caffe has {', '.join(NUMBERS)}; or begin otherwise: --init he+lsuv",
            file=filler.name,
            line=filler.line,
        )
    options = [(key, filler.words(key)[0].text) for key in NUMBERS[kind] if filler.has(key)]
    for key, _ in options:
        filler.number(key, 0.0)  # It is one, or the error names the line.
    if kind in NORMED and filler.has("variance_norm"):
        norm = filler.choice("variance_norm", VARIANCE_NORMS, "FAN_IN")
        options.append(("variance_norm", norm.lower()))
    told = ",".join(f"{key}={value.removesuffix('f')}" for key, value in options)
    return f"{kind}:{told}" if told else kind
