"""Which ONNX nodes compute what each of the zoo's own layers computes.

Sizes of maps are asked of the graph where ONNX can, so that a network which takes pictures of every
size does so after export too; a row that writes one in pins its axis.
"""

from zoo.export.layers import (
    arranging,
    combining,
    counting,
    learned,
    normalising,
    pointwise,
    pooling,
    resizing,
)
from zoo.export.layers.base import Rows

LAYERS: Rows = {
    **arranging.ROWS,
    **combining.ROWS,
    **counting.ROWS,
    **learned.ROWS,
    **normalising.ROWS,
    **pointwise.ROWS,
    **pooling.ROWS,
    **resizing.ROWS,
}
