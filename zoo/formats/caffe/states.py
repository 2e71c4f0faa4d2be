"""Which layers a prototxt keeps for prediction: Caffe's state rules, and what only training needs.

Source: ``Net::FilterNet`` and ``Net::StateMeetsRule`` in BVLC/caffe, for the state of a deployed
network: phase TEST, level 0, no stages.
"""

from zoo.formats.caffe.tree import Message

PHASES = {0: "TRAIN", 1: "TEST"}

# Sources that give pictures, in BVLC's Caffe and its forks; others are known by having no bottom.
DATA_TYPES = frozenset(
    {
        "AnnotatedData",
        "Data",
        "DummyData",
        "HDF5Data",
        "ImageData",
        "MemoryData",
        "VideoData",
        "WindowData",
    },
)
FED_TYPES = frozenset({"Input", "Parameter"})  # no bottom, but part of the prediction
# Losses and measures of Caffe and of its forks are called so at their end.
MEASURES = ("Accuracy", "DetectionEvaluate", "HDF5Output", "Loss", "Silence")


def is_kept(layer: Message) -> bool:
    """Tell whether a layer takes part in prediction, by its include or exclude rules.

    Raises:
        MalformedPrototxt: the layer has rules of both kinds.
    """
    includes, excludes = layer.messages("include"), layer.messages("exclude")
    if includes and excludes:
        raise layer.refuse("a layer has either include or exclude rules, not both")
    if includes:
        return any(map(_is_met, includes))
    return not any(map(_is_met, excludes))


def is_source(layer: Message) -> bool:
    """Tell whether a layer gives what is learned from: data of any kind, also from Python."""
    kind = layer.text("type")
    return kind in DATA_TYPES or (
        kind not in FED_TYPES and not layer.has("bottom") and kind.endswith(("Python", "Data"))
    )


def is_measure(layer: Message) -> bool:
    """Tell whether a layer only measures, or makes nothing: a loss, an accuracy, a Silence."""
    return layer.text("type").endswith(MEASURES)


def _is_met(rule: Message) -> bool:
    """Tell whether every stated part of a rule holds; unstated ones do."""
    is_phase = rule.choice("phase", PHASES, "TEST") == "TEST"
    is_level = rule.integer("min_level", 0) <= 0 <= rule.integer("max_level", 0)
    rule.skip("not_stage")
    return is_phase and is_level and not rule.texts("stage")
