"""What a fine-tune gets wrong: by the dataset's order, the surest first."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zoo.domain.dataset import Dataset, Picture, Split
from zoo.domain.preprocessing import Preprocessing
from zoo.images.contact_sheet import SIDE_PX
from zoo.worker.gallery import LISTED, draw_gallery, list_wrong

CLASSES = ("ant", "bee", "fly")


def make_dataset(labels, digest="0" * 64):
    pictures = [
        Picture(path=f"{place}.png", label=label, split=split, digest=digest, size_bytes=1)
        for split in (Split.TRAIN, Split.VAL)
        for place, label in enumerate(labels)
    ]
    return Dataset(name="insects", classes=CLASSES, pictures=tuple(pictures))


def test_wrong_pictures_are_listed_with_what_was_said():
    rows = np.array([[0.9, 0.1, 0], [0.6, 0.3, 0.1], [0.05, 0.8, 0.15], [0, 0.1, 0.9]], np.float32)
    wrong = list_wrong(make_dataset(["ant", "bee", "fly", "fly"]), rows)
    assert [(one.picture.path, one.said) for one in wrong] == [("2.png", "bee"), ("1.png", "ant")]
    assert wrong[0].as_json() == {
        "picture": "2.png",
        "digest": "0" * 64,
        "label": "fly",
        "said": "bee",
        "probability": pytest.approx(0.8),
        "truth_probability": pytest.approx(0.15),
    }


def test_no_more_than_so_many_are_listed():
    labels = ["ant"] * (LISTED + 5)
    rows = np.tile(np.array([0, 1, 0], np.float32), (len(labels), 1))
    assert len(list_wrong(make_dataset(labels), rows)) == LISTED


def test_the_sheet_shows_what_the_network_sees(zoo):
    buffer = BytesIO()
    Image.new("RGB", (30, 20), (250, 0, 0)).save(buffer, "PNG")
    digest = zoo.blobs.put([buffer.getvalue()]).digest
    dataset = make_dataset(["ant"], digest)
    seen = Preprocessing(resize_px=64, crop_px=(64, 64))
    wrong = list_wrong(dataset, np.array([[0, 1, 0]], np.float32))
    with Image.open(BytesIO(draw_gallery(zoo, seen, wrong))) as sheet:
        red = np.asarray(sheet.convert("RGB")).astype(int)
    assert sheet.width < 2 * SIDE_PX
    assert ((red[..., 0] > 200) & (red[..., 1] < 60)).sum() >= 62 * 62
    assert draw_gallery(zoo, seen, ()) is None
