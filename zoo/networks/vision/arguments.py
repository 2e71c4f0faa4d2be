"""Which arguments a library may be told: none that name files or code, or build too much."""

from collections.abc import Mapping
from typing import Any

from zoo.errors import Unsupported

LARGEST_NUMBER = 2**16  # of an argument: widths, depths and sides are far below
MOST_VALUES = 4096  # of one argument, a list or an object
# torchvision's arguments that mean no file and no network; the others of a recipe are refused.
TORCHVISION_ARGUMENTS = {
    "aux_logits",
    "dropout",
    "image_size",
    "num_classes",
    "stochastic_depth_prob",
    "transform_input",
    "width_mult",
}
# What torchvision itself tells these two when it builds them for its own weights.
PORTED = {"googlenet": {"transform_input": True}, "inception_v3": {"transform_input": True}}
# timm's arguments that name files, addresses or code, or make another thing than a classifier.
TIMM_REFUSED = {
    "cache_dir",
    "checkpoint_path",
    "exportable",
    "feature_cfg",
    "feature_cls",
    "features_only",
    "kwargs_filter",
    "model_cfg",
    "no_jit",
    "out_indices",
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "pretrained_filter_fn",
    "pretrained_model_args",
    "pretrained_strict",
    "scriptable",
}
# transformers' keys that name code, other checkpoints, or how numbers were squeezed.
TRANSFORMERS_DROPPED = {"_name_or_path", "auto_map", "quantization_config"}


def check_values(arguments: Mapping[str, Any], name: str) -> None:
    """Refuse arguments that would build more than any network has."""
    waiting: list[object] = list(arguments.values())
    for count in range(100 * MOST_VALUES + 1):
        if not waiting:
            return
        value = waiting.pop()
        if isinstance(value, Mapping):
            value = list(value.values())
        if isinstance(value, list):
            waiting.extend(value)
        is_large = isinstance(value, int | float) and abs(value) > LARGEST_NUMBER
        if is_large or count == 100 * MOST_VALUES:
            break
    raise Unsupported(
        f"The arguments of {name!r} are beyond what any network has.",
        hint=f"Numbers of an architecture are at most {LARGEST_NUMBER} here.",
        architecture=name,
    )
