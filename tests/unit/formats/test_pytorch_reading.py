"""What torch.save wrote is read as torch.load reads it."""

import argparse
import collections
import datetime as dt
import random
import tracemalloc
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from zoo.errors import MalformedCheckpoint, UnknownFormat, UnsafePickle
from zoo.formats.pytorch.reading import is_pytorch, read_pytorch
from zoo.formats.safetensors import write_safetensors

FORMS = {
    f"{'zip' if is_zip else 'legacy'}, protocol {protocol}": {
        "_use_new_zipfile_serialization": is_zip,
        "pickle_protocol": protocol,
    }
    for is_zip in (True, False)
    for protocol in (2, 3, 4, 5)
}
PLAIN = (
    torch.bool,
    torch.uint8,
    torch.int8,
    torch.int16,
    torch.int32,
    torch.int64,
    torch.float16,
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.complex64,
    torch.complex128,
)
NEW = (torch.uint16, torch.uint32, torch.uint64, torch.float8_e4m3fn, torch.float8_e5m2)


@pytest.fixture(params=FORMS.values(), ids=FORMS)
def save(request, tmp_path):
    """Give a function that saves a value in one of the forms torch has had."""

    def write(value):
        path = tmp_path / "model.pth"
        torch.save(value, path, **request.param)
        return path

    return write


def loaded(path):
    """Load what a test wrote itself; torch's guarded way knows no protocol beyond 3."""
    return torch.load(path, weights_only=False)


def as_numpy(tensor):
    wide = {torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2}
    return (tensor.float() if tensor.dtype in wide else tensor).detach().numpy()


def assert_same(weights, tensors):
    assert list(weights) == list(tensors)
    for name, tensor in tensors.items():
        expected = as_numpy(tensor)
        assert weights[name].dtype == expected.dtype, name
        assert weights[name].shape == expected.shape, name
        np.testing.assert_array_equal(weights[name], expected)


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Linear(2, 5))
    layers[0].to(memory_format=torch.channels_last)
    return layers


def trained():
    """Give what a training script keeps."""
    net = nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(net.parameters())
    net(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [2, 4])
    return net, {
        "epoch": 3,
        "best_acc1": np.float64(0.75),
        "arch": "resnet18",
        "state_dict": net.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "args": argparse.Namespace(lr=0.1, folder=None, sizes=[1, 2]),
        "rng": (torch.get_rng_state(), np.random.default_rng(0).integers(0, 9, 3)),
        "python_rng": random.Random(0).getstate(),
        "history": collections.defaultdict(list, {"loss": [1.0, 0.5]}),
        "when": dt.datetime(2020, 1, 2, tzinfo=dt.UTC),
        "seen": {1, 2},
        "raw": b"\x00\xff",
        "odd": {(1, 2): 3, 2**70: 4, None: 5},
        "dtype": torch.float16,
        "size": torch.Size([1, 2]),
        "device": torch.device("cuda", 0),
    }


def test_a_state_dict_is_read_as_torch_reads_it(save):
    path = save(network().state_dict())
    assert_same(read_pytorch(path).weights, loaded(path))


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_checkpoint_is_read_as_torch_reads_it_when_guarded(tmp_path, is_zip):
    path = tmp_path / "model.pth"
    value = {"state_dict": network().state_dict(), "epoch": 1, "shape": torch.Size([1])}
    torch.save(value, path, _use_new_zipfile_serialization=is_zip)
    assert_same(read_pytorch(path).weights, torch.load(path, weights_only=True)["state_dict"])


def test_every_type_of_number_is_read(save):
    tensors = {
        f"{dtype} {shape}": torch.arange(6).reshape(shape).to(dtype)
        for dtype in (*PLAIN, *NEW)
        for shape in ((6,), (2, 3), (1, 6, 1))
    }
    scalars = {f"{dtype}": torch.tensor(1).to(dtype) for dtype in (*PLAIN, *NEW)}
    empty = {f"{dtype} empty": torch.zeros(0, 3).to(dtype) for dtype in (*PLAIN, *NEW)}
    values = tensors | scalars | empty
    assert_same(read_pytorch(save(values)).weights, values)


def test_views_of_shared_storages_are_read(save):
    whole = torch.arange(24.0)
    table = whole.reshape(4, 6)
    tensors = {
        "whole": whole,
        "turned": table.T,
        "middle": table[1:3, 2:5],
        "every other": whole[1::2],
        "column": table[:, 5],
        "permuted": whole.reshape(2, 3, 4).permute(2, 0, 1),
        "repeated": torch.ones(1).expand(3, 4),
        "one of one": torch.arange(3.0).as_strided((1, 1), (7, 9), 2),
        "nothing": whole[24:],
    }
    path = save(tensors)
    assert_same(read_pytorch(path).weights, loaded(path))


def test_parameters_and_tensors_with_attributes_are_read(save):
    parameter = nn.Parameter(torch.arange(3.0), requires_grad=False)
    noted = nn.Parameter(torch.arange(2.0))
    noted.note = "weight decay is off"
    tensor = torch.arange(4.0)
    tensor.note = "a hint"
    buffer = nn.Buffer(torch.arange(5.0))
    value = {"parameter": parameter, "noted": noted, "tensor": tensor, "buffer": buffer}
    assert_same(read_pytorch(save(value)).weights, value)


def test_the_state_dict_is_found_among_what_training_keeps(save):
    net, value = trained()
    file = read_pytorch(save(value))
    assert_same(file.weights, net.state_dict())
    assert file.path == ("state_dict",)
    assert {"epoch = 3", "best_acc1 = 0.75", "arch = resnet18"} <= set(file.dropped)
    assert "optimizer (a dictionary of 2)" in file.dropped
    assert len(file.dropped) == len(value) - 1
    assert file.notes[0] == "The weights were found under 'state_dict'."
    assert file.notes[1].startswith("Left out of the checkpoint: epoch = 3, best_acc1 = 0.75,")


@pytest.mark.parametrize(
    ("value", "path", "beside"),
    [
        ({"a": torch.ones(1)}, (), ()),
        ({"model": {"a": torch.ones(1)}}, ("model",), ()),
        ({"net": {"params": {"a": torch.ones(1)}}}, ("net", "params"), ()),
        (
            {"state_dict_ema": {"a": torch.zeros(1)}, "state_dict": {"a": torch.ones(1)}},
            ("state_dict",),
            ("state_dict_ema",),
        ),
        ({"model_ema": {"a": torch.ones(1)}, "epoch": 1}, ("model_ema",), ()),
        ({"generator": {"a": torch.ones(1)}, "epoch": 1}, ("generator",), ()),
        ({"model": {"a": torch.ones(1)}, "loss": torch.zeros(1)}, ("model",), ()),
        ({"model": "resnet18", "a": torch.ones(1)}, (), ()),
    ],
)
def test_the_place_of_the_state_dict_is_told(save, value, path, beside):
    file = read_pytorch(save(value))
    assert {name: array.tolist() for name, array in file.weights.items()} == {"a": [1.0]}
    assert file.path == path
    assert any(name in note for note in file.notes for name in beside) == bool(beside)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (
            {"student": {"a": torch.ones(1)}, "teacher": {"a": torch.ones(1)}},
            "'student', 'teacher'",
        ),
        ({}, "its keys are none"),
        ({1: torch.ones(1)}, "its keys are '1'"),
        ([torch.ones(1)], "it is a list of 1"),
        (torch.ones(1), "it is a tensor"),
        ("text", "it is a text"),
    ],
)
def test_a_file_without_one_state_dict_says_what_it_has(save, value, told):
    with pytest.raises(UnknownFormat, match=told):
        read_pytorch(save(value))


def test_what_is_no_tensor_is_told(tmp_path):
    path = tmp_path / "model.pth"
    value = {"a": torch.ones(1), "_extra_state": None, "b": {"c": 1}, "words": np.array(["x"])}
    torch.save(value, path)
    file = read_pytorch(path)
    assert list(file.weights) == ["a"]
    assert file.dropped == ("_extra_state = None", "b (a dictionary of 1)", "words (a tensor)")


def test_what_is_told_stays_on_its_line(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"model": {"a": torch.ones(1)}, "b\n": "c\x1b[31m"}, path)
    assert read_pytorch(path).dropped == (r"b\n = c\x1b[31m",)


@pytest.mark.parametrize(
    ("names", "stripped"),
    [
        (["module.a", "module.b"], ["a", "b"]),
        (["module.a", "b"], ["module.a", "b"]),
        (["module.model.a"], ["a"]),
        (["_orig_mod.module.a", "_orig_mod.module.b"], ["a", "b"]),
        (["backbone.model.model.a"], ["a"]),
        (["module.", "module.a"], ["module.", "module.a"]),
        (["modules.a"], ["modules.a"]),
    ],
)
def test_what_wrappers_put_before_every_name_is_left_off(tmp_path, names, stripped):
    path = tmp_path / "model.pth"
    torch.save({name: torch.ones(1) for name in names} | {"epoch": 1}, path)
    file = read_pytorch(path)
    assert list(file.weights) == stripped
    assert any("left off" in note for note in file.notes) == (names != stripped)
    assert list(read_pytorch(path, keep_names=True).weights) == names


def test_arrays_of_numpy_are_read(save):
    value = {
        "plain": np.arange(6, dtype=np.float32).reshape(2, 3),
        "fortran": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "foreign": np.arange(3, dtype=">f8"),
        "empty": np.zeros((0, 2), np.uint8),
        "scalar": np.array(2.5),
    }
    file = read_pytorch(save(value))
    for name, array in value.items():
        np.testing.assert_array_equal(file.weights[name], array)
        assert file.weights[name].dtype == array.dtype.newbyteorder("=")


def test_weights_are_views_of_the_file(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({str(index): torch.zeros(2**20) for index in range(8)}, path)
    tracemalloc.start()
    weights = read_pytorch(path).weights
    sum(map(len, write_safetensors(weights)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 * 2**20
    assert not any(array.flags.owndata or array.flags.writeable for array in weights.values())


def test_bfloat16_is_told(save):
    file = read_pytorch(save({"a": torch.ones(2, dtype=torch.bfloat16), "b": torch.ones(1)}))
    assert file.notes == (
        "Of 2 tensors, 1 is bfloat16 in the file, read as float32, which holds the same numbers.",
    )


def test_numbers_of_big_endian_machines_are_read(tmp_path):
    path = tmp_path / "model.pth"
    tensors = {"a": torch.tensor([1.0, 2.5]), "b": torch.tensor([7], dtype=torch.uint8)}
    tensors |= {"c": torch.tensor([1.5, 3.0], dtype=torch.bfloat16)}
    torch.save(tensors, path)
    swapped = tmp_path / "swapped.pth"
    widths = {"data/0": 4, "data/1": 1, "data/2": 2}
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(swapped, "w") as new:
        for member in old.infolist():
            octets = old.read(member)
            inner = member.filename.partition("/")[2]
            if inner in widths:
                octets = np.frombuffer(octets, f"u{widths[inner]}").byteswap().tobytes()
            new.writestr(member.filename, b"big" if inner == "byteorder" else octets)
    assert_same(read_pytorch(swapped).weights, tensors)


def test_names_of_storages_in_graphics_memory_are_known(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"a": torch.arange(3.0)}, path, _use_new_zipfile_serialization=False)
    path.write_bytes(
        path.read_bytes().replace(b"ctorch\nFloatStorage\n", b"ctorch.cuda\nFloatStorage\n")
    )
    assert read_pytorch(path).weights["a"].tolist() == [0, 1, 2]


@pytest.mark.filterwarnings("ignore")  # torch warns that several of these are on their way out
@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: torch.eye(2).to_sparse(), "sparse tensor"),
        (lambda: torch.eye(2).to_sparse_csr(), "a sparse tensor"),
        (lambda: torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8), "quantized"),
        (lambda: torch.ones(2, device="meta"), "without numbers"),
        (lambda: torch.ones(2, dtype=torch.complex64).conj(), "conjugate"),
        (lambda: torch.ones(2, dtype=torch.complex32), r"a tensor of torch\.complex32"),
        (lambda: torch.ones(2).to(torch.float8_e5m2fnuz), r"torch\.float8_e5m2fnuz"),
    ],
)
def test_kinds_of_tensors_that_are_not_read_are_named(tmp_path, make, told):
    path = tmp_path / "model.pth"
    torch.save({"a": make()}, path)
    with pytest.raises(UnknownFormat, match=rf"model\.pth holds .*{told}.* which is not read"):
        read_pytorch(path)


def test_a_whole_model_is_refused_by_its_class(save):
    told = r"other\.pth needs torch\.nn\.modules\.container\.Sequential \(byte \d+\)"
    with pytest.raises(UnsafePickle, match=told) as caught:
        read_pytorch(save(network()), name="other.pth")
    assert "state_dict" in caught.value.hint


def test_a_program_is_refused_as_one(tmp_path):
    path = tmp_path / "model.pt"
    with pytest.warns(DeprecationWarning, match="jit"):
        torch.jit.save(torch.jit.script(nn.Linear(1, 1)), path)
    assert is_pytorch(path)
    with pytest.raises(UnknownFormat, match="TorchScript") as caught:
        read_pytorch(path)
    assert "state_dict" in caught.value.hint


def test_files_are_known_by_their_signature(save, tmp_path):
    assert is_pytorch(save({"a": torch.ones(1)}))
    cut = tmp_path / "cut.pth"
    cut.write_bytes(save({"a": torch.ones(100)}).read_bytes()[:300])
    assert is_pytorch(cut)
    with pytest.raises(MalformedCheckpoint, match=r"^cut\.pth is damaged"):
        read_pytorch(cut)


def zipped(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x" * 300)


def tarred(name):
    return name.ljust(257, b"\0") + b"ustar" + bytes(300)


@pytest.mark.parametrize(
    ("octets", "told"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "git-LFS pointer"),
        (b"<html>", "is text"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x80\x02]q\x00.", "a pickle, but not one that"),
        (tarred(b"notes.txt"), "a tar"),
        (bytes(500), "something else"),
    ],
)
def test_other_files_are_told_apart(tmp_path, octets, told):
    path = tmp_path / "model.pth"
    path.write_bytes(octets)
    assert not is_pytorch(path)
    with pytest.raises(UnknownFormat, match=told):
        read_pytorch(path)


def test_the_oldest_form_is_refused_as_it(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(tarred(b"storages"))
    assert is_pytorch(path)
    with pytest.raises(UnknownFormat, match="PyTorch before version"):
        read_pytorch(path)


def test_an_empty_file_is_refused(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(b"")
    assert not is_pytorch(path)
    with pytest.raises(MalformedCheckpoint, match="empty"):
        read_pytorch(path)


def test_another_zip_is_none(tmp_path):
    path = tmp_path / "model.pth"
    zipped(path)
    assert not is_pytorch(path)
    with pytest.raises(UnknownFormat, match="is a zip, but"):
        read_pytorch(path)


@st.composite
def tensors(draw):
    base = torch.arange(draw(st.integers(0, 64))).to(draw(st.sampled_from(PLAIN)))
    for _ in range(draw(st.integers(0, 4))):
        axis = draw(st.integers(0, max(0, base.ndim - 1)))
        change = draw(st.sampled_from(["cut", "step", "turn", "fold", "grow", "repeat", "none"]))
        if change == "cut":
            begin = draw(st.integers(0, base.shape[axis]))
            base = base.narrow(axis, begin, draw(st.integers(0, base.shape[axis] - begin)))
        elif change == "step":
            base = base.movedim(axis, 0)[:: draw(st.integers(1, 3))]
        elif change == "turn":
            base = base.movedim(axis, -1)
        elif change == "fold" and base.shape[axis] % 2 == 0:
            base = base.unflatten(axis, (2, base.shape[axis] // 2))
        elif change == "grow":
            base = base.unsqueeze(axis)
        elif change == "repeat" and base.shape[axis] == 1:
            base = base.expand(*base.shape[:axis], 2, *base.shape[axis + 1 :])
    return base


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.dictionaries(st.text(max_size=6), tensors(), min_size=1, max_size=5),
    form=st.sampled_from(list(FORMS.values())),
)
def test_any_state_dict_is_read_as_torch_reads_it(tmp_path, values, form):
    path = tmp_path / "model.pth"
    torch.save(values, path, **form)
    assert_same(read_pytorch(path, keep_names=True).weights, loaded(path))
