"""What is well formed, but beyond what the zoo can do."""

from zoo.errors.tree import ZooError


class Unsupported(ZooError):
    """The zoo cannot do this."""


class UnknownFormat(Unsupported):
    """No reader knows this file."""

    hint = "Import a folder with a deploy.prototxt and a .caffemodel or .caffemodel.h5."


class UnsupportedLayers(Unsupported):
    """The network has layers the zoo cannot run."""

    hint = "Every such layer is named in the detail."


class NoHead(Unsupported):
    """The network has no classifier that could be replaced."""

    hint = "Fine-tuning needs a network that ends in one fully connected or 1 x 1 classifier."


class BoundToOneSize(Unsupported):
    """The network depends on one size of picture, so it cannot be made dense."""

    hint = "Networks of convolutions, poolings and fully connected layers can be."


class NotRunnable(Unsupported):
    """The revision holds no graph that can predict."""

    hint = "Choose a revision that has a model.onnx: zoo show MODEL --files"
