"""Checkpoints that were made to do harm do none: nothing is run, and little is paid."""

import contextlib
import io
import itertools
import os
import pickle
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from zoo.errors import MalformedCheckpoint, UnsafePickle, ZooError
from zoo.formats.pytorch import opcodes
from zoo.formats.pytorch.allowed import ALLOWED
from zoo.formats.pytorch.reading import is_pytorch, read_pytorch

MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
SLACK_BYTES = 2**23  # Python may enlarge a table of its own meanwhile
OPCODE_BYTES = 150  # in memory, of the smallest value and its note


# A few words of the language of pickles.


def text(value):
    octets = value.encode()
    return b"X" + struct.pack("<I", len(octets)) + octets


def number(value):
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def named(name):
    module, _, last = name.rpartition(".")
    return f"c{module}\n{last}\n".encode()


def row(*items):
    return b"(" + b"".join(items) + b"t"


def numbers(values):
    return row(*map(number, values))


def called(name, *args):
    return named(name) + row(*args) + b"R"


def listed(*items):
    return b"](" + b"".join(items) + b"e"


def mapped(entries):
    return b"}(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def storage(key="0", count=4, kind="torch.FloatStorage"):
    return row(text("storage"), named(kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(shape, strides, *, offset=0, place=None):
    place = storage() if place is None else place
    rest = (number(offset), numbers(shape), numbers(strides), b"\x89", b"N")
    return called("torch._utils._rebuild_tensor_v2", place, *rest)


def pickled(*words):
    return b"\x80\x02" + b"".join(words) + b"."


# Files around them.

FOUR = struct.pack("<q", 4) + bytes(16)  # a storage of four zeros, as old files have it


def zipped(words, storages=None, **kept):
    storages = {"0": bytes(16)} if storages is None else storages
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(words), **kept)
        archive.writestr("archive/version", "3\n")
        for key, octets in storages.items():
            archive.writestr(f"archive/data/{key}", octets, **kept)
    return file.getvalue()


def legacy(words, keys=("0",), numbers_behind=FOUR, system=b"}"):
    parts = [MAGIC, pickled(b"M\xe9\x03"), pickled(system), pickled(words)]
    return b"".join([*parts, pickled(listed(*map(text, keys))), numbers_behind])


def refused(tmp_path, octets, *, error=MalformedCheckpoint, factor=2, slack=SLACK_BYTES):
    """Give the error that the file is refused with, for no more memory than was promised."""
    path = tmp_path / "model.pth"
    path.write_bytes(octets)
    tracemalloc.start()
    with pytest.raises(error) as caught:
        read_pytorch(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < factor * len(octets) + slack
    assert str(caught.value).startswith("model.pth ")
    assert len(str(caught.value)) < 1000
    return str(caught.value)


GOOD = mapped({"a": tensor((2, 2), (2, 1))})


OLD_GOOD = mapped(
    {
        "a": tensor(
            (2, 2),
            (2, 1),
            place=storage().removesuffix(b"tQ") + b"NtQ",  # no view
        )
    }
)


@pytest.mark.parametrize("octets", [zipped(GOOD), legacy(OLD_GOOD)], ids=["zip", "legacy"])
def test_the_words_of_these_tests_are_those_of_pytorch(tmp_path, octets):
    path = tmp_path / "model.pth"
    path.write_bytes(octets)
    assert torch.load(path, weights_only=True)["a"].tolist() == [[0, 0], [0, 0]]
    assert read_pytorch(path).weights["a"].tolist() == [[0, 0], [0, 0]]


class Runs:
    """An object whose pickle calls a function when it is loaded."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


CALLS = {
    "os.system": Runs(os.system, "touch {}"),
    "builtins.eval": Runs(eval, "open('{}', 'w')"),
    "builtins.exec": Runs(exec, "open('{}', 'w')"),
    "builtins.__import__": Runs(__import__, "os"),
    "io.open": Runs(io.open, "{}", "w"),
    "pickle.loads": Runs(pickle.loads, b"N."),
    "torch.load": Runs(torch.load, "{}"),
    "torch.hub.load": Runs(torch.hub.load, "{}"),
    "torch.storage._load_from_bytes": Runs(torch.storage._load_from_bytes, b""),
    "numpy.load": Runs(np.load, "{}"),
}


@pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.parametrize("protocol", [2, 4])
@pytest.mark.parametrize("name", CALLS)
def test_calls_are_refused_by_their_name(tmp_path, name, protocol, is_zip):
    trace = tmp_path / "trace"
    call, args = CALLS[name].call
    filled = [arg.format(trace) if isinstance(arg, str) else arg for arg in args]
    file = io.BytesIO()
    value = {"a": torch.ones(1), "b": [{"c": Runs(call, *filled)}]}
    torch.save(value, file, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
    told = refused(tmp_path, file.getvalue(), error=UnsafePickle)
    assert name.rpartition(".")[2] in told
    assert not trace.exists()


@pytest.mark.parametrize("pack", [zipped, legacy])
@pytest.mark.parametrize(
    ("words", "name"),
    [
        (called("posix.system", text("id")), "posix.system"),
        (called("os.system", text("id")), "os.system"),
        (called("nt.system", text("id")), "nt.system"),
        (called("__builtin__.eval", text("1")), "__builtin__.eval"),
        (named("sys.modules"), "sys.modules"),
        (text("os") + text("system") + b"\x93" + row(text("id")) + b"R", "os.system"),
        (text("builtins") + text("__dict__.eval") + b"\x93", "builtins.__dict__.eval"),
        (b"(" + text("id") + b"ios\nsystem\n", "os.system"),
        (b"(" + named("torch.device") + text("id") + b"o", "torch.device"),
        (b"\x82\x01", "extension 1"),
        (b"\x83\x01\x01", "extension 257"),
        (b"\x84\x01\x00\x00\x00", "extension 1"),
        (named("subprocess.Popen") + row(text("id")) + b"\x81", "subprocess.Popen"),
        (named("subprocess.Popen") + row(text("id")) + b"}\x92", "subprocess.Popen"),
        (named("collections.OrderedDict.__class__"), "collections.OrderedDict.__class__"),
        (named("torch._utils.sys.modules"), "torch._utils.sys.modules"),
        (called("functools.partial", named("torch.device")), "functools.partial"),
        (called("copyreg._reconstructor", named("torch.device")), "copyreg._reconstructor"),
        (called("__main__.Network"), "__main__.Network"),
        (called("torchvision.models.resnet.ResNet"), "torchvision.models.resnet.ResNet"),
        (row(text("module"), named("torch.Tensor"), text("a"), text("b")) + b"Q", "torch.Tensor"),
    ],
)
def test_names_that_are_not_allowed_are_refused_however_they_are_written(
    tmp_path, pack, words, name
):
    told = refused(
        tmp_path, pack(mapped({"a": tensor((1,), (1,)), "b": words})), error=UnsafePickle
    )
    assert name in told
    assert "byte" in told


WRONG = {
    "a call of a text": text("os.system") + b")R",
    "a call of a tensor": tensor((1,), (1,)) + b")R",
    "a call of a type": called("torch.float32"),
    "a call of a storage": called("torch.FloatStorage", number(4)),
    "a call with a list": named("torch.device") + b"]R",
    "a new object of arguments": named("argparse.Namespace") + row(number(1)) + b"\x81",
    "a new object of keywords": named("argparse.Namespace") + b")" + mapped({"a": b"N"}) + b"\x92",
    "a state for a list": b"]}b",
    "a state for a text": text("a") + b"}b",
    "a state for a name": named("torch.device") + b"}b",
    "entries of a list": b"]" + text("a") + b"Ns",
    "entries of a record": called("argparse.Namespace") + text("a") + b"Ns",
    "half an entry": b"}(" + text("a") + b"u",
    "items of a dictionary": b"}Na",
    "items of a tuple": b")(Ne",
    "no mark": b"t",
    "an empty stack": b"0",
    "a tuple of nothing": b"\x85",
    "a tuple over a mark": b"NN(\x87",
    "nothing to note": b"q\x00",
    "nothing noted": b"h\x07",
    "nothing noted far away": b"j\xff\xff\xff\xff",
    "a storage of a text": text("0") + b"Q",
    "a storage of another kind": row(text("tensor"), b"N", b"N", b"N", b"N") + b"Q",
    "a storage of a negative size": storage(count=-1),
    "buffers elsewhere": b"\x97",
    "a buffer that is not to be changed": b"\x98",
    "opcodes of protocol 0": b"S'a'\n",
    "a reference in text": b"Pos\n",
    "a byte that is no opcode": b"\xff",
    "another protocol": b"\x80\x01",
    "a protocol to come": b"\x80\x06",
    "a text that is too long": b"X\xff\xff\xff\xff",
    "a text of exabytes": b"\x8d" + b"\xff" * 8,
    "bytes of exabytes": b"\x8e" + b"\xff" * 7 + b"\x0f",
    "an array of exabytes": b"\x96" + b"\xff" * 7 + b"\x0f",
    "a frame of exabytes": b"\x95" + b"\xff" * 8,
    "a number of gigabytes": b"\x8b\xff\xff\xff\x7f",
    "a long number": b"\x8a\xff" + bytes(255),
    "a number in text that is none": b"I1e9\n",
    "a number in text that does not end": b"I" + b"1" * 2000,
    "a name without end": b"c" + b"a" * 2000,
    "a name that is no text": b"NN\x93",
    "a name that is too long": text("a" * 600) + text("b") + b"\x93",
    "a text that is no Unicode": b"X\x01\x00\x00\x00\xff",
    "a size of texts": called("torch.Size", listed(text("a"))),
    "bytes in another encoding": called("_codecs.encode", text("a"), text("rot13")),
    "bytes beyond Latin-1": called("_codecs.encode", text("\u20ac"), text("latin1")),
    "bytes of a number": called("builtins.bytes", number(2**40)),
    "bytes of a large number": called("builtins.bytearray", number(2**40)),
    "a list of a number": called("builtins.list", number(2**40)),
    "a dictionary of numbers": called("collections.OrderedDict", listed(number(1))),
    "a dictionary of a text": called("builtins.dict", text("ab")),
    "defaults of a text": called("collections.defaultdict", text("a")),
    "a complex number of texts": called("builtins.complex", text("1"), text("2")),
    "a type without a name": called("numpy.dtype", number(1)),
    "an array of another class": called(
        "numpy._core.multiarray._reconstruct", named("torch.Tensor"), b")", text("b")
    ),
    "a number without a type": called("numpy._core.multiarray.scalar", text("f4"), text("a")),
    "an array without a type": called("numpy._core.numeric._frombuffer", b"N", b"N", b")", b"N"),
    "a parameter of a text": called("torch._utils._rebuild_parameter", text("a"), b"\x88", b"}"),
    "a tensor of nothing": called("torch._utils._rebuild_tensor_v2"),
    "a tensor of a text": called("torch._utils._rebuild_tensor", text("a"), b"K\x00", b")", b")"),
    "a tensor without a type": called(
        "torch._utils._rebuild_tensor_v3", storage(), b"K\x00", b")", b")", b"\x89", b"N", b"N"
    ),
    "an end too early": b"N0",
}


@pytest.mark.parametrize("pack", [zipped, legacy])
@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG)
def test_what_no_checkpoint_does_is_refused_at_its_byte(tmp_path, pack, words):
    assert "byte" in refused(tmp_path, pack(words))


PLACES = {
    "beyond the end": ((5,), (1,), 0),
    "beyond the end by its offset": ((4,), (1,), 1),
    "beyond the end by its stride": ((2,), (4,), 0),
    "far beyond the end": ((2,), (2**61,), 0),
    "before the start": ((2,), (1,), -1),
    "backwards": ((2,), (-1,), 1),
    "of exabytes": ((2**60,), (1,), 0),
    "of exabytes that repeat": ((2**60, 2**60), (0, 0), 0),
    "of a shape that overflows beside a zero": ((0, 2**62, 2**62), (1, 1, 1), 0),
    "of a negative shape": ((-1, -4), (1, 1), 0),
    "of many axes": ((1,) * 99, (1,) * 99, 0),
    "of overlapping rows": ((2, 2), (1, 1), 0),
    "of overlapping windows": ((2, 3), (1, 1), 0),
    "of fewer strides": ((2, 2), (1,), 0),
    "of a single number beyond the end": ((), (), 4),
    "of an offset that overflows": ((1,), (1,), 2**63),
}


@pytest.mark.parametrize("pack", [zipped, legacy])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_tensors_that_do_not_lie_in_their_storage_are_refused(tmp_path, pack, place):
    shape, strides, offset = place
    assert "tensor" in refused(tmp_path, pack(mapped({"a": tensor(shape, strides, offset=offset)})))


@pytest.mark.parametrize("pack", [zipped, legacy])
def test_numbers_that_repeat_cannot_make_more_than_the_file_is_worth(tmp_path, pack):
    big = tensor((2**40, 4), (0, 1))
    assert "more than the file" in refused(tmp_path, pack(mapped({"a": big})))
    many = {f"{index}": tensor((2**16, 4), (0, 1)) for index in range(8)}
    assert "more than the file" in refused(tmp_path, pack(mapped(many)))


def test_tensors_that_are_shared_many_times_are_refused(tmp_path):
    keep = tensor((2**18,), (1,), place=storage(count=2**18)) + b"q\x01"
    words = mapped({"a": keep} | {f"{index}": b"h\x01" for index in range(2000)})
    told = refused(tmp_path, zipped(words, {"0": bytes(2**20)}))
    assert "more than the file" in told


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (zipped(mapped({"a": tensor((1,), (1,), place=storage(count=5))})), "16 bytes"),
        (zipped(mapped({"a": tensor((1,), (1,), place=storage(count=3))})), "16 bytes"),
        (zipped(mapped({"a": tensor((1,), (1,), place=storage(count=2**62))})), "16 bytes"),
        (zipped(mapped({"a": tensor((1,), (1,), place=storage("1"))})), "lacks its member"),
        (zipped(mapped({"a": tensor((1,), (1,), place=storage("../data.pkl"))})), "lacks its"),
        (legacy(mapped({"a": tensor((1,), (1,), place=storage(count=5))})), "has not the size"),
        (legacy(GOOD, numbers_behind=struct.pack("<q", 5) + bytes(20)), "has not the size"),
        (legacy(GOOD, numbers_behind=struct.pack("<q", -4) + bytes(16)), "has not the size"),
        (legacy(GOOD, numbers_behind=struct.pack("<q", 4) + bytes(15)), "ends inside"),
        (legacy(GOOD, numbers_behind=b""), "ends inside"),
        (legacy(GOOD, keys=()), "list of storages"),
        (legacy(GOOD, keys=("0", "0")), "list of storages"),
        (legacy(GOOD, keys=("1",)), "list of storages"),
        (legacy(GOOD, system=mapped({"little_endian": b"\x89"})), "big-endian"),
        (legacy(GOOD).replace(b"M\xe9\x03", b"M\xe8\x03"), "unknown version"),
        (
            legacy(b"]" + tensor((1,), (1,)) + b"a" + tensor((1,), (1,), place=storage(count=5))),
            "told in two ways",
        ),
    ],
)
def test_storages_that_lie_about_their_size_are_refused(tmp_path, octets, told):
    assert told in refused(tmp_path, octets)


def view(key, offset, count):
    told = row(text(key), number(offset), number(count))
    return row(
        text("storage"), named("torch.FloatStorage"), text("0"), text("cpu"), number(4), told
    )


def test_views_of_storages_are_read_as_old_files_have_them(tmp_path):
    path = tmp_path / "model.pth"
    words = mapped({"a": tensor((2,), (1,), place=view("v", 1, 2) + b"Q")})
    path.write_bytes(
        legacy(words, numbers_behind=struct.pack("<q", 4) + np.arange(4, dtype="<f4").tobytes())
    )
    assert read_pytorch(path).weights["a"].tolist() == [1, 2]


@pytest.mark.parametrize(("offset", "count"), [(0, 5), (4, 1), (-1, 2), (0, -1), (2**62, 2**62)])
def test_views_beyond_their_storage_are_refused(tmp_path, offset, count):
    words = mapped({"a": tensor((1,), (1,), place=view("v", offset, count) + b"Q")})
    assert "goes beyond it" in refused(tmp_path, legacy(words))


BOMBS = {
    "lists in lists": b"](" * 10**5 + b"e" * 10**5,
    "lists in lists by reference": b"]q\x00" + b"0](h\x00h\x00eq\x00" * 10**4,
    "tuples in tuples": b")" + b"\x85" * 10**5,
    "tuples of two in tuples of two": b")" + b"2\x86" * 10**5,
    "dictionaries in dictionaries": (b"}" + text("model")) * 10**5 + b"N" + b"s" * 10**5,
    "records in records": (
        named("argparse.Namespace") + b"q\x00)\x81" + b"h\x00)\x81" * 10**5 + b"b" * 10**5
    ),
    "a list in itself": b"]q\x00h\x00a",
    "a dictionary in itself": b"}q\x00"
    + b"".join(text(key) + b"h\x00s" for key in ("net", "model")),
    "marks": b"(" * 10**5 + b"N",
    "frozen sets in frozen sets": b"(" * 10**5 + b"\x91" * 10**5,
    "a key that takes for ever to hash": b")" + b"2\x86" * 64 + b"q\x00}h\x00Ns",
}


@pytest.mark.parametrize("words", BOMBS.values(), ids=BOMBS)
def test_values_in_values_end(tmp_path, words):
    refused(tmp_path, zipped(words), error=ZooError, slack=OPCODE_BYTES * 2 * 10**5 + SLACK_BYTES)


@pytest.mark.parametrize("words", [b"]", b"}", b"(", b"N", b"]\x94", b"\x8f"])
def test_pickles_of_too_many_opcodes_are_refused(tmp_path, monkeypatch, words):
    most = 2**14
    monkeypatch.setattr(opcodes, "MOST_OPCODES", most)
    octets = zipped(words * (2 * most // len(words)))
    told = refused(tmp_path, octets, slack=OPCODE_BYTES * most + SLACK_BYTES)
    assert any(reason in told for reason in ("opcodes", "marks are open"))


def test_a_pickle_of_too_many_opcodes_says_how_many_are_read(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(zipped(b"N" * opcodes.MOST_OPCODES))
    with pytest.raises(MalformedCheckpoint, match=f"more than {opcodes.MOST_OPCODES} opcodes"):
        read_pytorch(path)


def test_bytes_cannot_be_made_again_and_again(tmp_path):
    again = named("_codecs.encode") + b"q\x01" + text("a" * 2**20) + text("latin1") + b"\x86q\x02"
    words = b"](" + again + b"R" + b"h\x01h\x02R" * 1000 + b"e"
    assert "more than the file holds" in refused(tmp_path, zipped(words))


def test_dictionaries_cannot_be_made_again_and_again(tmp_path):
    pairs = listed(*(row(number(index), b"N") for index in range(1000)))
    words = (
        named("collections.OrderedDict") + b"q\x01" + row(pairs) + b"q\x02R" + b"h\x01h\x02R" * 1000
    )
    assert "more than the file holds" in refused(tmp_path, zipped(words))


def test_text_cannot_take_four_times_its_bytes(tmp_path):
    assert "more text" in refused(tmp_path, zipped(text("\U0001f600" + "a" * 5 * 2**20)))


def test_keys_that_would_collide_are_not_hashed(tmp_path):
    step = 2**61 - 1  # Python's hash of every multiple is 0
    words = b"".join(
        b"\x8a\x20" + (step * index * 2**64).to_bytes(32, "little") + b"N"
        for index in range(1, 50_000)
    )
    told = refused(tmp_path, zipped(b"}(" + words + b"u"), error=ZooError, slack=2**25)
    assert "no state dict" in told


# Archives.


def patched(octets, mark, at, content, *, number=0):
    """Overwrite bytes of the given header or entry, found by its mark."""
    start = -1
    for _ in range(number + 1):
        start = octets.index(mark, start + 1)
    return octets[: start + at] + content + octets[start + at + len(content) :]


def with_member(name, octets=b"", *, twice=False):
    file = io.BytesIO(zipped(GOOD))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, octets)
        if twice:
            with pytest.warns(UserWarning, match="Duplicate"):
                archive.writestr(name, octets)
    return file.getvalue()


def overlapping():
    """Make two members of one range: the entry of the second points to the header of the first."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(GOOD))
        archive.writestr("archive/data/0", bytes(16))
        archive.writestr("archive/data/1", bytes(16))
    octets = file.getvalue()
    first = octets.index(b"archive/data/0") - 30
    entry = octets.rindex(b"archive/data/1") - 46
    octets = octets[: entry + 42] + struct.pack("<I", first) + octets[entry + 46 :]
    return octets[: entry + 46] + b"archive/data/0" + octets[entry + 60 :]


LOCAL, ENTRY, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"
ARCHIVES = {
    "a name that climbs": with_member("archive/../../evil"),
    "a name from the root": with_member("/etc/passwd"),
    "a name of another system": with_member("archive\\evil"),
    "a name with a dot": with_member("archive/./data/0"),
    "a member that stands twice": with_member("archive/data/9", twice=True),
    "members that share bytes": overlapping(),
    "another name before the member": patched(zipped(GOOD), LOCAL, 30, b"x"),
    "another method before the member": patched(zipped(GOOD), LOCAL, 8, b"\x08"),
    "another size before the member": patched(zipped(GOOD), LOCAL, 18, b"\x01"),
    "another full size before the member": patched(zipped(GOOD), LOCAL, 22, b"\x01"),
    "more extra bytes before the member": patched(zipped(GOOD), LOCAL, 28, b"\xff\xff"),
    "no mark before the member": patched(zipped(GOOD), LOCAL, 0, b"PK\3\5", number=1),
    "another size in the directory": patched(zipped(GOOD), ENTRY, 20, b"\xff\xff\xff\x7f"),
    "a size that is missing": patched(zipped(GOOD), ENTRY, 20, b"\xff\xff\xff\xff"),
    "a place beyond the end": patched(zipped(GOOD), ENTRY, 42, b"\xff\xff\xff\x7f"),
    "a place in the directory": patched(zipped(GOOD), ENTRY, 42, b"\xf0"),
    "no mark in the directory": patched(zipped(GOOD), ENTRY, 0, b"PK\1\3"),
    "a name longer than the directory": patched(zipped(GOOD), ENTRY, 28, b"\xff\xff"),
    "an encrypted member": patched(zipped(GOOD), ENTRY, 8, b"\x01"),
    "fewer members": patched(zipped(GOOD), END, 10, b"\x02\x00"),
    "more members": patched(zipped(GOOD), END, 10, b"\x04\x00"),
    "many members": patched(zipped(GOOD), END, 10, b"\xff\xff"),
    "a directory elsewhere": patched(zipped(GOOD), END, 16, b"\x00\x00\x00\x00"),
    "a directory of another size": patched(zipped(GOOD), END, 12, b"\x00\x00\x00\x00"),
    "another disk": patched(zipped(GOOD), END, 4, b"\x01"),
    "a comment at the end": zipped(GOOD) + b"comment",
    "something before": b"PK\3\4" + zipped(GOOD),
    "a compressed member": zipped(GOOD, compress_type=zipfile.ZIP_DEFLATED),
    "an unknown order of bytes": with_member("archive/byteorder", b"middle"),
}


@pytest.mark.parametrize("octets", ARCHIVES.values(), ids=ARCHIVES)
def test_archives_that_can_be_read_in_two_ways_are_refused(tmp_path, octets):
    refused(tmp_path, octets)
    is_pytorch(tmp_path / "model.pth")


def test_bombs_are_never_inflated(tmp_path):
    octets = zipped(GOOD, {"0": bytes(2**28)}, compress_type=zipfile.ZIP_DEFLATED)
    assert len(octets) < 2**19
    assert "compressed" in refused(tmp_path, octets)


def test_archives_of_large_files_are_read(tmp_path):
    """Sizes may stand in the larger fields even where the smaller ones would do."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickled(GOOD))
        with archive.open("archive/data/0", "w", force_zip64=True) as member:
            member.write(bytes(16))
    octets = file.getvalue()
    end = octets.index(END)
    count, size, offset = struct.unpack_from("<HII", octets, end + 10)
    large = struct.pack("<4sQHHIIQQQQ", b"PK\6\6", 44, 45, 45, 0, 0, count, count, size, offset)
    locator = struct.pack("<4sIQI", b"PK\6\7", 0, end, 1)
    last = octets[end : end + 8] + b"\xff" * 12 + b"\0\0"
    path = tmp_path / "model.pth"
    path.write_bytes(octets[:end] + large + locator + last)
    assert zipfile.is_zipfile(path)
    assert read_pytorch(path).weights["a"].shape == (2, 2)
    path.write_bytes(octets[:end] + large[:-8] + bytes(8) + locator + last)
    with pytest.raises(MalformedCheckpoint, match="not where it should be"):
        read_pytorch(path)


def test_sizes_in_the_larger_fields_of_a_member_are_read(tmp_path):
    octets = zipped(GOOD)
    start, end = octets.rindex(ENTRY), octets.index(END)
    entry = octets[start:end]
    packed, size = struct.unpack_from("<II", entry, 20)
    extra = struct.pack("<HHB", 7, 1, 0) + struct.pack("<HHQQ", 1, 16, size, packed)
    larger = entry[:20] + b"\xff" * 8 + entry[28:30] + struct.pack("<H", len(extra))
    larger += entry[32:] + extra
    directory = struct.unpack_from("<I", octets, end + 12)[0] + len(extra)
    last = octets[end : end + 12] + struct.pack("<I", directory) + octets[end + 16 :]
    path = tmp_path / "model.pth"
    path.write_bytes(octets[:start] + larger + last)
    assert read_pytorch(path).weights["a"].shape == (2, 2)
    short = larger.replace(struct.pack("<HH", 1, 16), struct.pack("<HH", 1, 8))
    for wrong in (short, larger.replace(struct.pack("<HH", 1, 16), struct.pack("<HH", 2, 16))):
        path.write_bytes(octets[:start] + wrong + last)
        with pytest.raises(MalformedCheckpoint, match="a member's size is missing"):
            read_pytorch(path)


def old_text(octets):
    return b"U" + bytes([len(octets)]) + octets


def test_files_that_python_2_wrote_are_read(tmp_path):
    """Its strings are bytes, its long numbers text, its ordered dictionaries lists of pairs."""
    place = row(
        *(old_text(b"storage"), named("torch.FloatStorage"), old_text(b"0"), old_text(b"cpu")),
        *(b"I4\n", b"N"),
    )
    pairs = listed(
        listed(old_text("a\u00e9".encode()), tensor((2,), (1,), place=place + b"Q")),
        listed(
            old_text(b"n"),
            called("numpy.core.multiarray._reconstruct", named("numpy.ndarray"), b")", b"N")
            + row(
                b"K\x01",
                numbers((2,)),
                called("numpy.dtype", old_text(b"u1")),
                b"\x89",
                old_text(b"\xff\x00"),
            )
            + b"b",
        ),
        listed(old_text(b"step"), b"I9999999999\n"),
        listed(old_text(b"done"), b"I01\n"),
    )
    path = tmp_path / "model.pth"
    path.write_bytes(legacy(called("collections.OrderedDict", pairs)))
    file = read_pytorch(path)
    assert {name: array.tolist() for name, array in file.weights.items()} == {
        "a\u00e9": [0, 0],
        "n": [255, 0],
    }
    assert file.dropped == ("step = 9999999999", "done = True")


def numpy_array(shape, content, code="f4"):
    dtype = called("numpy.dtype", text(code))
    octets = b"B" + struct.pack("<I", len(content)) + content
    return called("numpy._core.numeric._frombuffer", octets, dtype, numbers(shape), text("C"))


@pytest.mark.parametrize(
    "words",
    [
        mapped({"a": numpy_array((3,), bytes(8))}),
        mapped({"a": numpy_array((2**60, 2**60), bytes(8))}),
        mapped({"a": numpy_array((-2,), bytes(8))}),
        mapped(
            {
                "a": called(
                    "numpy._core.numeric._frombuffer",
                    b"N",
                    called("numpy.dtype", text("f4")),
                    numbers((0,)),
                    text("C"),
                )
            }
        ),
        b"}" + b"U\x01\xff" + tensor((1,), (1,)) + b"s",
    ],
)
def test_arrays_and_names_that_are_none_are_refused(tmp_path, words):
    assert "cannot be read" in refused(tmp_path, zipped(words))


@pytest.mark.parametrize("octets", [zipped(GOOD), legacy(GOOD)], ids=["zip", "legacy"])
def test_files_that_are_cut_short_are_refused(tmp_path, octets):
    for end in range(len(MAGIC), len(octets)):
        refused(tmp_path, octets[:end], error=ZooError)


TRAINED = {
    "state_dict": {"a": torch.ones(3, 2).T, "b": torch.tensor(1)},
    "epoch": 1,
    "c": [1.5, b"x"],
}
OPCODES = [bytes([opcode]) for opcode in range(256)]


@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    is_zip=st.booleans(),
    protocol=st.sampled_from([2, 4]),
    changes=st.lists(
        st.tuples(st.floats(0, 1), st.sampled_from(OPCODES) | st.binary(max_size=6), st.booleans()),
        min_size=1,
        max_size=3,
    ),
)
def test_a_damaged_file_gives_weights_or_an_error_of_ours(tmp_path, is_zip, protocol, changes):
    file = io.BytesIO()
    torch.save(TRAINED, file, pickle_protocol=protocol, _use_new_zipfile_serialization=is_zip)
    octets = file.getvalue()
    for place, content, inserts in changes:
        at = int(place * len(octets))
        octets = octets[:at] + content + octets[at + (0 if inserts else len(content)) :]
    path = tmp_path / "model.pth"
    path.write_bytes(octets)
    with contextlib.suppress(ZooError):
        for array in read_pytorch(path).weights.values():
            array.sum()


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.sampled_from(
            [
                *OPCODES,
                b"h\x00",
                b"h\x01",
                b"q\x00",
                b"q\x01",
                text("a"),
                tensor((1,), (1,)),
                numbers((1, 2)),
                named("collections.OrderedDict"),
                named("numpy.dtype"),
                b"(",
                b")",
                b"}",
                b"]",
                b"t",
            ]
        ),
        max_size=40,
    )
)
def test_any_heap_of_opcodes_gives_a_value_or_an_error_of_ours(tmp_path, words):
    path = tmp_path / "model.pth"
    for octets in (zipped(b"".join(words)), legacy(b"".join(words))):
        path.write_bytes(octets)
        with contextlib.suppress(ZooError):
            read_pytorch(path)


def test_every_allowed_name_is_called_with_anything_and_makes_no_harm(tmp_path):
    path = tmp_path / "model.pth"
    values = [b"N", text("a"), number(2**60), b"]", b"}", b")", storage(), named("numpy.ndarray")]
    for name, args in itertools.product(ALLOWED, [(), *((value,) for value in values), values]):
        path.write_bytes(zipped(called(name, *args)))
        with pytest.raises(ZooError):
            read_pytorch(path)
