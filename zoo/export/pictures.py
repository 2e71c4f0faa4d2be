"""Preprocessing as ONNX nodes: uint8 pictures in, the numbers that a network reads out."""

import numpy as np
from onnx import TensorProto

from zoo.domain.preprocessing import Channels, Preprocessing
from zoo.domain.weights import Array
from zoo.export.sheet import Sheet
from zoo.networks.preprocess import LUMA, LUMA_UNIT, mean_of

IMAGES = "images"


def write_preprocessing(
    sheet: Sheet, preprocessing: Preprocessing, mean_image: Array | None
) -> str:
    """Write what ``Preprocess`` computes, step by step, so that every rounding is the same.

    Reads ``images``, uint8, N x H x W x 3. Gives the name of what the network reads.

    Raises:
        WeightsMismatch: the mean image is missing or not of the picture's shape.
    """
    value = sheet.add("Transpose", [IMAGES], "preprocessing/channels_first", perm=[0, 3, 1, 2])
    value = sheet.add("Cast", [value], "preprocessing/float", to=TensorProto.FLOAT)
    value = WRITE_CHANNELS[preprocessing.channels](sheet, value)
    std = np.asarray(preprocessing.std, np.float32).reshape(-1, 1, 1)
    steps = {
        "Mul": ("scale", np.array(preprocessing.scale, np.float32)),
        "Sub": ("mean", mean_of(preprocessing, mean_image)),
        "Div": ("std", std),
    }
    for operator, (name, number) in steps.items():
        constant = sheet.keep(f"preprocessing.{name}", number)
        value = sheet.add(operator, [value, constant], f"preprocessing/{operator.lower()}")
    return value


def _write_rgb(_sheet: Sheet, value: str) -> str:
    return value


def _write_bgr(sheet: Sheet, value: str) -> str:
    order = sheet.keep("preprocessing.order", np.array([2, 1, 0], np.int64))
    return sheet.add("Gather", [value, order], "preprocessing/bgr", axis=1)


def _write_gray(sheet: Sheet, value: str) -> str:
    """Weigh and sum element by element: a convolution might round on a GPU, these cannot."""
    luma = sheet.keep("preprocessing.luma", np.array(LUMA, np.float32).reshape(3, 1, 1))
    axis = sheet.keep("preprocessing.axis", np.array([1], np.int64))
    unit = sheet.keep("preprocessing.luma_unit", np.array(LUMA_UNIT, np.float32))
    weighed = sheet.add("Mul", [value, luma], "preprocessing/weighed")
    total = sheet.add("ReduceSum", [weighed, axis], "preprocessing/summed", keepdims=1)
    return sheet.add("Div", [total, unit], "preprocessing/gray")


WRITE_CHANNELS = {
    Channels.RGB: _write_rgb,
    Channels.BGR: _write_bgr,
    Channels.GRAY: _write_gray,
}
