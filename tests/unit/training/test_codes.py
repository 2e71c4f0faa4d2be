"""Codes: computed once a picture; what an interruption leaves is used, what is damaged is not."""

import os
import random
import shutil

import numpy as np
import pytest
import torch
from torch import nn

from zoo.training import codes as room
from zoo.training.cache import CodesCache, body_key
from zoo.training.codes import BATCH, SHARD, CodesTask, gather_codes


class Body(nn.Module):
    """Gives the means of the colours, and knows how often and how it was run."""

    def __init__(self):
        super().__init__()
        self.dropout = nn.Dropout(0.5)
        self.batches = []

    def forward(self, images):
        self.batches.append(len(images))
        return self.dropout(images.mean(dim=(2, 3)))


class Preprocess(nn.Module):
    def forward(self, images):
        return images.permute(0, 3, 1, 2).double()


@pytest.fixture
def body():
    return Body()


@pytest.fixture
def cache(tmp_path):
    return CodesCache(folder=tmp_path / "codes" / "body")


@pytest.fixture
def gather(body, cache):
    """Gather the codes of pictures whose digests are numbers, as the number tells their colour."""

    def load(digest):
        return np.full((2, 2, 3), int(digest) % 256, np.uint8)

    def gather(digests, *, load=load, report=lambda _done, _total: None):
        task = CodesTask(body=body, preprocess=Preprocess(), load=load, device=torch.device("cpu"))
        return gather_codes(task, [str(digest) for digest in digests], cache, report)

    return gather


def colours(codes):
    return {int(digest): code.tolist() for digest, code in codes.items()}


def test_each_picture_has_its_codes(gather):
    codes = gather([3, 1, 2])
    assert colours(codes) == {number: [number] * 3 for number in (3, 1, 2)}
    assert list(codes) == ["3", "1", "2"]
    assert codes["1"].dtype == np.float32


def test_a_picture_that_comes_twice_is_computed_once(gather, body):
    assert len(gather([1, 2, 1])) == 2
    assert body.batches == [2]


def test_codes_are_computed_once(gather, body):
    first = gather(range(5))
    again = gather(range(5))
    assert colours(first) == colours(again)
    assert body.batches == [5]


def test_only_what_is_missing_is_computed(gather, body):
    gather(range(5))
    assert colours(gather([3, 9])) == {3: [3] * 3, 9: [9] * 3}
    assert body.batches == [5, 1]


def test_pictures_go_through_in_batches(gather, body):
    gather(range(2 * BATCH + 1))
    assert body.batches == [BATCH, BATCH, 1]


def test_progress_is_told_after_every_batch(gather):
    told = []
    gather(range(2 * BATCH + 1), report=lambda *counts: told.append(counts))
    assert told == [(BATCH, 33), (2 * BATCH, 33), (33, 33)]
    gather(range(3), report=lambda *counts: told.append(counts))
    assert len(told) == 3


class Every:
    """A set that holds whatever is asked for."""

    def __contains__(self, _):
        return True


EVERY = Every()


def test_only_the_wanted_codes_are_read(cache):
    cache.add(["1", "2"], np.array([[1], [2]], np.float32))
    assert {key: code.tolist() for key, code in cache.read({"2"}).items()} == {"2": [2.0]}


def test_an_interrupted_run_goes_on_where_the_last_shard_ended(gather, body, cache):
    def load(digest):
        if int(digest) == SHARD + 5:
            raise InterruptedError
        return np.zeros((2, 2, 3), np.uint8)

    with pytest.raises(InterruptedError):
        gather(range(2 * SHARD), load=load)
    assert len(cache.read(EVERY)) == SHARD
    body.batches.clear()
    assert len(gather(range(2 * SHARD))) == 2 * SHARD
    assert sum(body.batches) == SHARD


def test_a_body_that_was_training_is_evaluated(gather, body):
    body.train()
    assert colours(gather([7])) == {7: [7] * 3}


def test_datasets_that_share_pictures_share_their_codes(gather, body, cache):
    gather([1, 2, 3])
    gather([3, 4])
    assert sum(body.batches) == 4
    assert len(list(cache.folder.iterdir())) == 2


def test_an_empty_cache_holds_nothing(cache):
    assert cache.read(EVERY) == {}


def test_a_shard_that_cannot_be_written_leaves_nothing(cache, monkeypatch):
    def fail(file, **_arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="No space"):
        cache.add(["1"], np.zeros((1, 3), np.float32))
    assert list(cache.folder.iterdir()) == []


def test_what_is_being_written_is_not_read(cache):
    cache.add(["1"], np.zeros((1, 3), np.float32))
    (shard,) = cache.folder.iterdir()
    shutil.copy(shard, cache.folder / "other.part")
    shard.unlink()
    assert cache.read(EVERY) == {}


def flip(data, position):
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


DAMAGES = {
    "empty": lambda _data: b"",
    "cut": lambda data: data[: len(data) // 2],
    "no archive": lambda _data: b"This is no archive at all.",
    "an array alone": lambda data: data[data.index(b"\x93NUMPY") :],
    "one bit of a code": lambda data: flip(data, data.rindex(np.float32(1).tobytes())),
    "one bit of the index": lambda data: flip(data, data.index(b"PK\x01\x02") + 10),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_is_computed_again(gather, body, cache, damage):
    gather([1, 2])
    (shard,) = cache.folder.iterdir()
    shard.write_bytes(DAMAGES[damage](shard.read_bytes()))
    assert colours(gather([1, 2])) == {1: [1] * 3, 2: [2] * 3}
    assert body.batches == [2, 2]
    assert len(cache.read(EVERY)) == 2


def test_whichever_byte_is_damaged_no_wrong_code_is_read(cache):
    codes = np.arange(6, dtype=np.float32).reshape(2, 3)
    cache.add(["1", "2"], codes)
    (shard,) = cache.folder.iterdir()
    data = shard.read_bytes()
    generator = random.Random(0)
    for position in range(len(data)):
        broken = bytearray(data)
        broken[position] ^= generator.randrange(1, 256)
        shard.write_bytes(broken)
        found = cache.read(EVERY)
        assert found.keys() in ({"1", "2"}, set())
        assert all(np.array_equal(found[key], codes[int(key) - 1]) for key in found)


def test_a_shard_of_unequal_lengths_is_damaged(cache):
    cache.add(["1", "2"], np.zeros((1, 3), np.float32))
    assert cache.read(EVERY) == {}
    assert list(cache.folder.iterdir()) == []


def test_a_key_depends_on_every_part_and_not_on_their_order():
    key = body_key({"weights": "ab", "at": "fc8"})
    assert key == body_key({"at": "fc8", "weights": "ab"})
    assert len(key) == 40
    assert key != body_key({"weights": "ab", "at": "fc7"})
    assert key != body_key({"weights": "ab"})


def test_a_batch_is_smaller_than_a_shard():
    assert room.SHARD % room.BATCH == 0


def test_what_a_killed_writer_left_long_ago_is_cleared(tmp_path):
    old, new = tmp_path / "old.part", tmp_path / "new.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    CodesCache(folder=tmp_path).add(["a" * 64], np.zeros((1, 2), np.float32))
    assert (old.exists(), new.exists()) == (False, True)


def test_bfloat16_is_near_and_the_pictures_are_prepared_in_full(cache):
    torch.manual_seed(0)
    seen = []

    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 8, 3)

        def forward(self, images):
            seen.append(images.dtype)
            return self.conv(images).relu().mean(dim=(2, 3))

    class Scaled(nn.Module):
        def forward(self, images):
            return images.permute(0, 3, 1, 2).float()

    def load(digest):
        return np.random.default_rng(int(digest)).integers(0, 256, (16, 16, 3), np.uint8)

    def codes(*, is_bf16):
        task = CodesTask(
            body=body,
            preprocess=Scaled(),
            load=load,
            device=torch.device("cpu"),
            is_bf16=is_bf16,
        )
        found = CodesCache(folder=cache.folder / str(is_bf16))
        given = gather_codes(task, map(str, range(5)), found, lambda _done, _total: None)
        return np.stack(list(given.values()))

    body = Half()
    exact, rough = codes(is_bf16=False), codes(is_bf16=True)
    assert rough.dtype == np.float32
    assert seen == [torch.float32] * 2
    assert not np.array_equal(exact, rough)
    assert np.abs(rough - exact).max() < 0.02 * np.abs(exact).max()
