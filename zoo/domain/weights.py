"""The currency between readers, networks, training and export."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]
Weights = Mapping[str, Array]
