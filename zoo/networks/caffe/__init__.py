"""Caffe networks as ``torch.fx`` graphs of standard modules, named as their layers are."""

from zoo.networks.caffe.building import build_caffe, read_caffe
from zoo.networks.caffe.limits import module_name

__all__ = ["build_caffe", "module_name", "read_caffe"]
