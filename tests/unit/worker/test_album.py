"""Pictures that take long to decode are kept decoded, and are the same pictures."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import BlobNotFound, UnreadablePicture
from zoo.images.prepare import read_picture, read_uncropped
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker import album
from zoo.worker.album import Album

READS = Preprocessing(resize_px=40, crop_px=(32, 32))
KEPT_BYTES = 32 * 32 * 3


def photo(seed, side=300):
    """A JPEG of noise: it is large for its size."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side + 20, 3), np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture
def decoded(monkeypatch):
    """How often a picture was decoded."""
    times = []
    for name in ("read_picture", "read_uncropped"):
        reader = getattr(album, name)

        def noted(*given, reader=reader, **named):
            times.append(named["name"])
            return reader(*given, **named)

        monkeypatch.setattr(album, name, noted)
    return times


def kept(zoo):
    return sorted(zoo.pictures_folder.rglob("*.pixels"))


def test_a_large_file_is_decoded_once_for_all_jobs(zoo, decoded):
    data = photo(1)
    digest = zoo.blobs.put([data]).digest
    whole = Album(zoo=zoo, preprocessing=READS).read_whole(digest)
    for _ in range(2):
        read = Album(zoo=zoo, preprocessing=READS)
        np.testing.assert_array_equal(
            read.read(digest), read_picture(data, READS, name="", max_pixels=10**6)
        )
        np.testing.assert_array_equal(read.read_whole(digest), whole)
    np.testing.assert_array_equal(whole, read_uncropped(data, READS, name="", max_pixels=10**6))
    assert len(decoded) == 2
    assert len(kept(zoo)) == 2


def test_networks_that_read_pictures_alike_share_them_and_others_do_not(zoo, decoded):
    digest = zoo.blobs.put([photo(1)]).digest
    Album(zoo=zoo, preprocessing=READS).read(digest)
    Album(zoo=zoo, preprocessing=replace(READS, mean=(0, 0, 0), scale=1)).read(digest)
    assert len(decoded) == 1
    others = replace(READS, crop_px=(24, 24))
    assert Album(zoo=zoo, preprocessing=others).read(digest).shape == (24, 24, 3)
    assert len(decoded) == 2


def test_a_small_file_is_decoded_each_time(zoo, decoded):
    digest = zoo.blobs.put([photo(1, side=40)]).digest
    for _ in range(2):
        Album(zoo=zoo, preprocessing=READS).read(digest)
    assert len(decoded) == 2
    assert not kept(zoo)


@pytest.mark.parametrize("damage", ["cut", "changed", "empty"])
def test_what_is_damaged_is_decoded_again(zoo, decoded, damage):
    digest = zoo.blobs.put([photo(1)]).digest
    first = Album(zoo=zoo, preprocessing=READS).read(digest)
    (path,) = kept(zoo)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes({"cut": bytes(data[:-9]), "changed": bytes(data), "empty": b""}[damage])
    np.testing.assert_array_equal(Album(zoo=zoo, preprocessing=READS).read(digest), first)
    assert len(decoded) == 2
    Album(zoo=zoo, preprocessing=READS).read(digest)
    assert len(decoded) == 2


def test_the_cache_stays_within_its_bound(tmp_path, decoded):
    settings = read_settings(home=tmp_path / "home", cache_bytes=4 * KEPT_BYTES)
    with open_zoo(settings) as zoo:
        read = Album(zoo=zoo, preprocessing=READS)
        for seed in range(8):
            read.read(zoo.blobs.put([photo(seed)]).digest)
            assert sum(path.stat().st_size for path in kept(zoo)) <= settings.cache_bytes
        assert kept(zoo)
    assert len(decoded) == 8


def test_a_cache_may_be_forbidden(tmp_path):
    with open_zoo(read_settings(home=tmp_path / "home", cache_bytes=0)) as zoo:
        Album(zoo=zoo, preprocessing=READS).read(zoo.blobs.put([photo(1)]).digest)
        assert not kept(zoo)


def test_a_folder_that_cannot_be_written_to_costs_nothing_but_time(zoo):
    zoo.pictures_folder.parent.mkdir(parents=True)
    zoo.pictures_folder.write_text("no folder")
    digest = zoo.blobs.put([photo(1)]).digest
    assert Album(zoo=zoo, preprocessing=READS).read(digest).shape == (32, 32, 3)


def test_a_picture_that_left_the_store_is_missed_though_its_pixels_are_kept(zoo):
    digest = zoo.blobs.put([photo(1)]).digest
    read = Album(zoo=zoo, preprocessing=READS)
    read.read(digest)
    zoo.blobs.delete(digest)
    with pytest.raises(BlobNotFound):
        read.read(digest)


def test_a_damaged_picture_is_called_by_its_name(zoo):
    digest = zoo.blobs.put([photo(1)[:70_000]]).digest
    with pytest.raises(UnreadablePicture, match=r"bees/1\.jpg"):
        Album(zoo=zoo, preprocessing=READS).read(digest, name="bees/1.jpg")
