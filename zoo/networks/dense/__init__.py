"""Networks that read pictures of any size: fully connected layers as convolutions."""

from zoo.networks.dense.building import convolutionalize, measure_geometry

__all__ = ["convolutionalize", "measure_geometry"]
