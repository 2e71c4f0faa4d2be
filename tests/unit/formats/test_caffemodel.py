import struct

import numpy as np
import pytest

from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.caffe import blob as blob_module
from zoo.formats.caffe import caffemodel
from zoo.formats.caffe.caffemodel import read_blobs, read_mean


@pytest.fixture
def read(tmp_path):
    """Read the blobs of a file with these bytes."""

    def read_bytes(octets):
        path = tmp_path / "net.caffemodel"
        path.write_bytes(octets)
        return read_blobs(path)

    return read_bytes


@pytest.fixture
def read_one(read, proto):
    """Read the one blob of a layer, given as the bytes of its BlobProto."""
    return lambda content: read(proto.v2_layer("conv", content))["conv"][0]


@pytest.mark.parametrize("generation", ["v1_layer", "v2_layer"])
def test_layers_of_both_generations_give_their_blobs_by_name(read, proto, generation):
    layer = getattr(proto, generation)
    blobs = read(layer("conv/a", proto.blob((2, 1), (1, 2)), proto.blob((2,), (3, 4))))
    assert list(blobs) == ["conv/a"]
    assert [array.tolist() for array in blobs["conv/a"]] == [[[1], [2]], [3, 4]]


def test_layers_of_the_first_generation_have_their_blobs_within(read, proto):
    one, two = proto.blob((1,), (1,)), proto.blob((1,), (2,))
    inner = proto.field(1, "conv") + proto.field(2, "conv") + proto.field(50, one)
    beside = proto.field(2, "data") + proto.field(3, "conv")
    blobs = read(proto.field(2, beside + proto.field(1, inner + proto.field(50, two))))
    assert list(blobs) == ["conv"]
    assert [array.tolist() for array in blobs["conv"]] == [[1], [2]]


def test_layers_of_mixed_generations_come_in_the_order_of_the_file(read, proto):
    one = proto.blob((1,), (1,))
    octets = proto.v2_layer("c", one) + proto.v1_layer("a", one) + proto.v2_layer("b", one)
    assert list(read(octets)) == ["c", "a", "b"]


def test_blobs_are_views_of_the_file(read, proto):
    (array,) = read(proto.v2_layer("conv", proto.blob((2,), (1, 2))))["conv"]
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_numbers_in_several_pieces_are_joined(read_one, proto):
    pieces = proto.field(5, proto.floats(1, 2)) + proto.field(5, proto.floats(3))
    assert read_one(pieces + proto.shape(3)).tolist() == [1, 2, 3]


def test_numbers_with_a_tag_each_are_read(read_one, proto):
    tagged = b"".join(b"\x2d" + proto.floats(value) for value in range(6))
    assert read_one(tagged + proto.shape(2, 3)).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_doubles_win_over_floats(read_one, proto):
    content = proto.field(5, proto.floats(9)) + proto.field(8, proto.doubles(0.1))
    assert read_one(content + proto.shape(1)).tolist() == [0.1]


@pytest.mark.parametrize(("kind", "dtype"), [(0, "<f8"), (1, "<f4"), (2, "<f2")])
def test_raw_numbers_are_read_in_their_precision(read_one, proto, kind, dtype):
    raw = np.array([0.5, -2], dtype).tobytes()
    array = read_one(proto.field(10, kind) + proto.field(12, raw) + proto.shape(2))
    assert array.dtype == dtype
    assert array.tolist() == [0.5, -2]


def test_raw_numbers_that_are_not_floating_point_are_refused(read_one, proto):
    with pytest.raises(MalformedCheckpoint, match="type 3, not floating point"):
        read_one(proto.field(10, 3) + proto.field(12, b"\0" * 4) + proto.shape(1))


def test_raw_numbers_that_are_cut_are_refused(read_one, proto):
    with pytest.raises(MalformedCheckpoint, match="3 bytes are left over"):
        read_one(proto.field(12, b"\0" * 3) + proto.shape(1))


def test_of_raw_numbers_that_repeat_the_last_count(read_one, proto):
    raw = proto.field(12, proto.floats(1)) + proto.field(12, proto.floats(2))
    assert read_one(raw + proto.shape(1)).tolist() == [2]


def test_half_precision_beside_an_empty_data_field_is_read(read_one, proto):
    raw = np.float16([0.5, 2]).tobytes()
    content = proto.field(5, b"") + proto.field(10, 2) + proto.field(11, 2) + proto.field(12, raw)
    assert read_one(content + proto.shape(2)).tolist() == [0.5, 2]


def test_the_four_old_axes_win_over_a_shape(read_one, proto):
    old = b"".join(proto.field(axis, size) for axis, size in enumerate((1, 1, 2, 3), start=1))
    assert read_one(old + proto.blob((6,), range(6))).shape == (1, 1, 2, 3)


def test_a_shape_of_single_numbers_is_read(read_one, proto):
    dims = proto.field(7, proto.field(1, 2) + proto.field(1, 1))
    assert read_one(proto.field(5, proto.floats(1, 2)) + dims).shape == (2, 1)


def test_a_blob_without_a_shape_is_one_number(read_one, proto):
    assert read_one(proto.field(5, proto.floats(7))).shape == ()


def test_diffs_and_fields_of_forks_are_skipped(read_one, proto):
    content = proto.field(6, proto.floats(9, 9)) + proto.field(77, "fork")
    assert read_one(content + proto.blob((1,), (1,))).tolist() == [1]


def test_typed_parameters_of_forks_are_skipped(read, proto):
    fork = proto.field(100, proto.field(1, "conv") + proto.field(143, b"\xff\xff"))
    assert read(fork + proto.field(20, 1) + proto.field(1, "net")) == {}


@pytest.mark.parametrize(
    ("bound", "reason"),
    [("MOST_LAYERS", "more than 2 layers"), ("MOST_BLOBS", "more than 2 blobs")],
)
def test_more_layers_and_blobs_than_a_network_has_are_refused(
    read, proto, monkeypatch, bound, reason
):
    monkeypatch.setattr(caffemodel, bound, 2)
    layer = proto.v2_layer("conv", proto.blob((1,), (1,)))
    assert read(layer * 2)
    with pytest.raises(MalformedCheckpoint, match=reason) as caught:
        read(layer * 3)
    assert caught.value.detail["offset"] > len(layer) * 2


@pytest.mark.parametrize("octets", [b"\xa2\x06\x00", b"\x12\x00", b"\x28\x01"])
def test_a_million_layers_or_fields_are_refused_early(tmp_path, octets):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(octets * 10**6)
    with pytest.raises(MalformedCheckpoint, match=r"more than \d+ (layers|fields)"):
        read_blobs(path)


def test_a_name_longer_than_any_is_refused(read, proto):
    with pytest.raises(MalformedCheckpoint, match="a name of more than 4096 bytes"):
        read(proto.v2_layer("a" * 4097, proto.blob((1,), (1,))))


def test_a_file_beyond_two_gibibytes_is_read_without_touching_its_numbers(tmp_path, proto):
    count = 550_000_000
    dims = proto.shape(count)
    head = proto.varint(5 << 3 | 2) + proto.varint(4 * count)
    blob_head = proto.varint(7 << 3 | 2) + proto.varint(len(head) + 4 * count + len(dims))
    rest = proto.field(1, "ip") + blob_head + head
    layer_head = proto.varint(100 << 3 | 2) + proto.varint(len(rest) + 4 * count + len(dims))
    path = tmp_path / "net.caffemodel"
    with path.open("wb") as file:
        file.write(layer_head + rest)
        file.seek(4 * count, 1)
        file.write(dims + proto.v2_layer("last", proto.blob((1,), (7,))))
    blobs = read_blobs(path)
    assert path.stat().st_size > 2**31
    assert blobs["ip"][0].shape == (count,)
    assert blobs["last"][0].tolist() == [7]
    assert path.stat().st_blocks * 512 < 2**20


def test_of_two_layers_with_one_name_the_first_with_blobs_is_read(read, proto):
    layers = [
        proto.v2_layer("conv"),
        proto.v2_layer("conv", proto.blob((1,), (1,))),
        proto.v2_layer("conv", proto.blob((1,), (2,))),
    ]
    assert read(b"".join(layers))["conv"][0].tolist() == [1]


@pytest.mark.parametrize(
    ("dims", "reason"),
    [
        ((3,), r"shape \(3,\) holds 2 numbers"),
        ((2**40, 2**40), "holds 2 numbers"),
        ((-2, -1), r"a blob has the shape \(-2, -1\)"),
        ((0,), r"a blob has the shape \(0,\)"),
        ((1,) * 33, "more than 32 axes"),
    ],
)
def test_numbers_that_do_not_fill_their_shape_are_refused(read_one, proto, dims, reason):
    with pytest.raises(MalformedCheckpoint, match=reason):
        read_one(proto.blob(dims, (1, 2)))


def test_an_old_axis_that_is_no_number_is_refused(read_one, proto):
    with pytest.raises(MalformedCheckpoint, match="wire type 2, not 0"):
        read_one(proto.field(1, b"") + proto.blob((1,), (1,)))


def test_axes_in_several_pieces_are_joined_and_bounded(read_one, proto):
    assert read_one(proto.shape(2) + proto.blob((1,), (1, 2))).shape == (2, 1)
    with pytest.raises(MalformedCheckpoint, match="more than 32 axes"):
        read_one(proto.shape(1) * 32 + proto.blob((1,), (1,)))


def test_a_blob_in_endless_pieces_is_refused(read_one, proto, monkeypatch):
    monkeypatch.setattr(blob_module, "MOST_PIECES", 2)
    with pytest.raises(MalformedCheckpoint, match="more than 2 pieces"):
        read_one(proto.field(5, proto.floats(1)) * 3 + proto.shape(3))


def test_a_file_cut_anywhere_is_refused_or_lacks_its_last_layer(read, proto):
    first = proto.field(1, "net") + proto.v2_layer("a", proto.blob((2,), (1, 2)))
    octets = first + proto.v2_layer("b", proto.blob((2,), (3, 4)))
    for length in range(len(octets)):
        if length == len(first):
            assert list(read(octets[:length])) == ["a"]
        else:
            with pytest.raises((MalformedCheckpoint, UnknownFormat)):
                read(octets[:length])


@pytest.mark.parametrize("garbage", [b"\0" * 20, b"garbage", b"\x89PNG\r\n", b"\xff" * 12])
def test_garbage_after_the_layers_is_refused_at_its_byte(read, proto, garbage):
    octets = proto.v2_layer("a", proto.blob((1,), (1,)))
    with pytest.raises(MalformedCheckpoint) as caught:
        read(octets + garbage)
    assert caught.value.detail["offset"] >= len(octets)
    assert "net.caffemodel" in str(caught.value)


def test_a_file_without_layers_is_refused(read, proto):
    with pytest.raises(MalformedCheckpoint, match="without a single layer"):
        read(proto.field(1, "net\x01"))


@pytest.mark.parametrize("history", [True, False])
def test_the_state_of_a_solver_is_called_by_its_name(read, proto, history):
    octets = proto.field(1, 5000) + proto.field(2, "/snapshots/lenet_iter_5000.caffemodel")
    octets += proto.field(3, proto.blob((2,), (1, 2))) * 3 * history + proto.field(4, 0)
    with pytest.raises(UnknownFormat, match="the state of a solver, not weights") as caught:
        read(octets)
    assert "the same number" in caught.value.hint


def test_a_mean_image_is_called_by_its_name(read, proto):
    axes = b"".join(proto.field(axis, size) for axis, size in enumerate((1, 3, 2, 2), start=1))
    with pytest.raises(UnknownFormat, match="a mean image"):
        read(axes + proto.field(5, proto.floats(*range(12))))


def test_a_known_field_of_another_wire_type_is_refused(read):
    with pytest.raises(MalformedCheckpoint, match="field 1 has wire type 0"):
        read(b"\x08\x05" + b"\x80\x01")


def test_an_empty_file_is_refused(read):
    with pytest.raises(MalformedCheckpoint, match="is empty"):
        read(b"")


def test_a_git_lfs_pointer_is_called_by_its_name(read):
    with pytest.raises(UnknownFormat, match="git-LFS pointer") as caught:
        read(b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    assert "git lfs pull" in caught.value.hint


@pytest.mark.parametrize(
    ("octets", "reason"),
    [(b"<!DOCTYPE html>\n<html>", "begins '<!DOCTYPE html>'"), (b"PK\x03\x04...", "is a zip")],
)
def test_files_of_other_formats_are_called_what_they_are(read, octets, reason):
    with pytest.raises(UnknownFormat, match=reason):
        read(octets)


def test_errors_call_a_file_by_the_name_given(tmp_path):
    path = tmp_path / "0123abcd"
    path.write_bytes(b"")
    with pytest.raises(MalformedCheckpoint, match=r"weights\.caffemodel is empty"):
        read_blobs(path, name="weights.caffemodel")


@pytest.mark.parametrize("dims", [(1, 3, 2, 2), (3, 2, 2)])
def test_a_mean_image_has_channels_rows_and_columns(tmp_path, proto, dims):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(proto.blob(dims, range(12)))
    image = read_mean(path)
    assert image.shape == (3, 2, 2)
    assert image.dtype == np.float32
    assert image.ravel().tolist() == list(range(12))


@pytest.mark.parametrize(
    ("dims", "values"), [((2, 3, 2, 1), range(12)), ((4,), range(4)), ((1, 1, 1), [float("nan")])]
)
def test_a_blob_that_is_no_image_is_refused_as_mean(tmp_path, proto, dims, values):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(proto.blob(dims, values))
    with pytest.raises(MalformedCheckpoint, match="no mean image"):
        read_mean(path)


@pytest.mark.parametrize(
    "double", [struct.pack("<d", 1e300), b"\1\0\0\0\0\0\xf4\x7f"], ids=["large", "signalling NaN"]
)
def test_a_mean_beyond_single_precision_is_refused(tmp_path, proto, double):
    path = tmp_path / "mean.binaryproto"
    path.write_bytes(proto.field(8, double) + proto.shape(1, 1, 1))
    with pytest.raises(MalformedCheckpoint, match="no mean image"):
        read_mean(path)
