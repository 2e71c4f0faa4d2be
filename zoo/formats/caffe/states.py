"""Which layers a prototxt keeps for prediction: Caffe's state rules, and what only training needs.

Source: ``Net::FilterNet`` and ``Net::StateMeetsRule`` in BVLC/caffe, for the state of a deployed
network: phase TEST, level 0, no stages.
"""

from zoo.formats.caffe.tree import Message

PHASES = {0: "TRAIN", 1: "TEST"}

DATA_TYPES = frozenset(
    {"Data", "DummyData", "HDF5Data", "ImageData", "MemoryData", "WindowData"},
)
LOSS_TYPES = frozenset(
    {
        "ContrastiveLoss",
        "EuclideanLoss",
        "HingeLoss",
        "InfogainLoss",
        "MultinomialLogisticLoss",
        "SigmoidCrossEntropyLoss",
        "SoftmaxWithLoss",
    }
)
DROPPED_TYPES = DATA_TYPES | LOSS_TYPES | {"Accuracy", "HDF5Output", "Silence"}


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


def _is_met(rule: Message) -> bool:
    """Tell whether every stated part of a rule holds; unstated ones do."""
    is_phase = rule.choice("phase", PHASES, "TEST") == "TEST"
    is_level = rule.integer("min_level", 0) <= 0 <= rule.integer("max_level", 0)
    rule.skip("not_stage")
    return is_phase and is_level and not rule.texts("stage")
