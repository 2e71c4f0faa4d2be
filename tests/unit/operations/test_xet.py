"""Shards: the files they tell of are put together, each once."""

import hashlib
import struct

from zoo.operations.models import create_model
from zoo.operations.xet import keep_xorb, take_shard

XORB = bytes(range(32))
NAME = "".join(f"{word:016x}" for word in struct.unpack("<4Q", XORB))
RAW = b"z" * 1000


def test_a_file_that_a_shard_names_again_is_put_together_once(zoo, monkeypatch):
    create_model(zoo, "net")
    size = len(RAW).to_bytes(3, "little")
    keep_xorb(zoo, "net", NAME, [b"\0" + size + b"\0" + size + RAW])
    digest = hashlib.sha256(RAW).hexdigest()
    words = struct.pack("<4Q", *(int(digest[at : at + 16], 16) for at in range(0, 64, 16)))
    file = bytes(32) + struct.pack("<IIII", 1 << 30, 1, 0, 0)
    file += XORB + struct.pack("<IIII", 0, len(RAW), 0, 1) + words + bytes(16)
    put, real = [], zoo.blobs.put
    monkeypatch.setattr(
        zoo.blobs, "put", lambda *given, **more: put.append(given) or real(*given, **more)
    )
    shard = bytes(48) + file * 50 + b"\xff" * 48
    assert [blob.digest for blob in take_shard(zoo, "net", shard)] == [digest]
    assert len(put) == 1
