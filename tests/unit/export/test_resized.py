"""A graph that resizes by itself sees the pixels that the zoo prepares."""

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper
from PIL import Image

from zoo.domain.preprocessing import Interpolation, Preprocessing, Resize
from zoo.errors import NotRunnable
from zoo.export.resized import PICTURE, with_resize
from zoo.images.prepare import prepare

PHOTOGRAPHS = [(375, 500), (500, 333), (256, 256), (311, 257)]  # height and width
# Smaller than the crop in one or both, extreme, odd, of one pixel. Where the width grows and the
# height shrinks, the zoo takes the height first, and rounds otherwise then.
EXTREMES = [
    (48, 48),
    (47, 131),
    (131, 47),
    (20, 30),
    (30, 20),
    (9, 400),
    (400, 9),
    (1, 1),
    (1, 70),
    (65, 64),
    (333, 1),
]
CHOICES = {
    "short side": Preprocessing(resize_px=64, crop_px=(48, 48)),
    "not square": Preprocessing(resize_px=50, crop_px=(60, 45)),
    "odd crop": Preprocessing(resize_px=57, crop_px=(33, 50)),
    "crop of all": Preprocessing(resize_px=48, crop_px=(48, 48)),
    "squash": Preprocessing(resize=Resize.SQUASH, resize_px=64, crop_px=(48, 48)),
    "squash, not square": Preprocessing(resize=Resize.SQUASH, resize_px=40, crop_px=(48, 30)),
}


def handing_on(crop_px, *, opset=20):
    """A graph that gives the pixels it reads."""
    height, width = crop_px
    ends = [
        helper.make_tensor_value_info(name, TensorProto.UINT8, ["batch", height, width, 3])
        for name in ("images", "pixels")
    ]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["images"], ["pixels"])], "pixels", ends[:1], ends[1:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    helper.set_model_props(model, {"zoo.labels": '["a"]'})
    return model.SerializeToString()


def run(graph, pixels):
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return session.run(None, {PICTURE: pixels})[0]


def photograph(height, width):
    """A picture with smooth parts, edges and noise."""
    rng = np.random.default_rng(height * 1000 + width)
    rows, columns = np.mgrid[:height, :width]
    smooth = np.stack([127 + 100 * np.sin(rows / 9 + columns / (7 + c)) for c in range(3)], -1)
    smooth[rows % 50 < 5] = 250
    return np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("interpolation", list(Interpolation))
@pytest.mark.parametrize("chosen", CHOICES)
def test_pixels_are_those_that_the_zoo_prepares(chosen, interpolation):
    preprocessing = Preprocessing(
        **{name: getattr(CHOICES[chosen], name) for name in ("resize", "resize_px", "crop_px")},
        interpolation=interpolation,
    )
    graph = with_resize(handing_on(preprocessing.crop_px), preprocessing)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for height, width in (*PHOTOGRAPHS, *EXTREMES):
        pixels = photograph(height, width)
        (found,) = session.run(None, {PICTURE: pixels})[0]
        expected = prepare(Image.fromarray(pixels), preprocessing)
        assert found.shape == expected.shape
        difference = np.abs(found.astype(int) - expected.astype(int))
        is_extreme = (height, width) in EXTREMES
        most = 8 if is_extreme and interpolation is Interpolation.BICUBIC else 2
        assert difference.max() <= most, (height, width)
        assert difference.mean() <= (0.5 if is_extreme else 0.05), (height, width)


def test_a_picture_of_the_size_asked_for_comes_through_to_the_bit():
    preprocessing = Preprocessing(resize_px=48, crop_px=(48, 48))
    pixels = photograph(48, 48)
    (found,) = run(with_resize(handing_on((48, 48)), preprocessing), pixels)
    assert np.array_equal(found, pixels)


def test_the_same_graph_gives_the_same_bytes_and_says_what_it_is():
    preprocessing = Preprocessing(resize_px=48, crop_px=(48, 48))
    graph = handing_on((48, 48))
    made = with_resize(graph, preprocessing)
    assert made == with_resize(graph, preprocessing)
    model = onnx.load_from_string(made)
    onnx.checker.check_model(model, full_check=True)
    told = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(told["zoo.labels"]) == ["a"]
    assert told["zoo.resize"] == "inside"


def test_older_operations_are_converted():
    preprocessing = Preprocessing(resize_px=64, crop_px=(48, 48))
    pixels = photograph(100, 80)
    old, new = (
        run(with_resize(handing_on((48, 48), opset=opset), preprocessing), pixels)
        for opset in (13, 20)
    )
    assert np.array_equal(old, new)


def test_a_graph_that_reads_something_else_is_refused():
    model = onnx.load_from_string(handing_on((48, 48)))
    model.graph.input[0].name = model.graph.node[0].input[0] = "x"
    with pytest.raises(NotRunnable, match="images"):
        with_resize(model.SerializeToString(), Preprocessing(crop_px=(48, 48)))
