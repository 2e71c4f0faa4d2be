"""Networks that a library builds by name: torchvision's, timm's and transformers'.

The one room that imports them, and only when one is asked for: they take seconds to load. Of a
library come the architecture, the names of its tensors and how its pictures are prepared; weights
never do, nothing is downloaded, and no code beside the installed library is run.
"""

from zoo.networks.vision.architectures import list_architectures
from zoo.networks.vision.building import build_vision, initial_weights
from zoo.networks.vision.describing import Described, describe_architecture
from zoo.networks.vision.fitting import fit_arguments, fit_weights

__all__ = [
    "Described",
    "build_vision",
    "describe_architecture",
    "fit_arguments",
    "fit_weights",
    "initial_weights",
    "list_architectures",
]
