"""The key of signed addresses is made whole, or not at all."""

import os

import pytest

from zoo.errors import Forbidden
from zoo.operations.opening import open_zoo
from zoo.operations.signing import KEY, read_signed, sign
from zoo.settings import read_settings


def test_a_disk_that_fails_leaves_no_half_made_key(zoo, monkeypatch):
    def fail(_descriptor):
        raise OSError(28, "No space left on device")

    before = set(zoo.settings.home.iterdir())
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space"):
            sign(zoo, "upload", {"a": 1})
    assert set(zoo.settings.home.iterdir()) == before
    signed = sign(zoo, "upload", {"a": 1})
    assert {path.name for path in zoo.settings.home.iterdir()} >= {KEY}
    assert read_signed(zoo, "upload", signed, seconds=60) == {"a": 1}


def test_what_was_signed_is_for_its_purpose_and_its_zoo(zoo):
    signed = sign(zoo, "upload", {"a": 1})
    with pytest.raises(Forbidden):
        read_signed(zoo, "download", signed, seconds=60)
    (zoo.settings.home / KEY).unlink()
    with pytest.raises(Forbidden):
        read_signed(zoo, "upload", signed, seconds=60)


def test_machines_of_one_key_take_each_others_addresses(tmp_path):
    def opened(name, key):
        return open_zoo(read_settings(home=tmp_path / name, signing_key=key))

    with opened("one", "shared") as one, opened("two", "shared") as two, opened("x", "") as other:
        signed = sign(one, "upload", {"a": 1})
        assert read_signed(two, "upload", signed, seconds=60) == {"a": 1}
        with pytest.raises(Forbidden):
            read_signed(other, "upload", signed, seconds=60)
        assert "shared" not in repr(one.settings)
