"""What networks are built from, and what is done to them: the kinds a recipe may name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch.fx import GraphModule

from zoo.domain.recipe import Source
from zoo.networks.attaching import attach_head
from zoo.networks.caffe import read_caffe
from zoo.networks.cutting import cut_at
from zoo.networks.dense import convolutionalize
from zoo.networks.folding import fold_batch_norm
from zoo.networks.onnx.build import build_onnx
from zoo.networks.surgery import replace_head
from zoo.networks.vision import build_vision

# Each takes the source and the revision's files by their path in it.
SOURCES: dict[str, Callable[[Source, Mapping[str, Path]], GraphModule]] = {
    "caffe": read_caffe,
    "onnx": build_onnx,
    "timm": build_vision,
    "torchvision": build_vision,
    "transformers": build_vision,
}
# Each takes a network and a surgery of its kind, and gives another network over the same weights.
SURGERIES: dict[str, Callable[[GraphModule, Any], GraphModule]] = {
    "attach_head": attach_head,
    "convolutionalize": convolutionalize,
    "cut": lambda network, surgery: cut_at(network, surgery.at),
    "fold_batch_norm": lambda network, _surgery: fold_batch_norm(network),
    "replace_head": lambda network, surgery: replace_head(
        network, at=surgery.at, classes=surgery.classes, also=surgery.also
    ),
}
