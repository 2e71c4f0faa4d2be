import h5py
import numpy as np
import pytest

from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.caffe import hdf5
from zoo.formats.caffe.caffemodel import read_blobs


@pytest.fixture
def snapshot(tmp_path):
    """An open HDF5 file and a reader that closes it first."""
    path = tmp_path / "net.caffemodel"
    with h5py.File(path, "w") as file:
        yield file, lambda: (file.close(), read_blobs(path))[1]


def test_a_snapshot_is_known_by_its_signature_and_read_in_blob_order(snapshot):
    file, read = snapshot
    file["data/conv/1"] = np.float32([3])
    file["data/conv/0"] = np.float64([[1, 2]])
    file.create_group("data/relu")
    blobs = read()
    assert list(blobs) == ["conv"]
    assert [array.tolist() for array in blobs["conv"]] == [[[1, 2]], [3]]


def test_names_with_a_slash_are_groups_in_groups(snapshot):
    file, read = snapshot
    file["data/fire2/squeeze/0"] = np.float32([1])
    assert list(read()) == ["fire2/squeeze"]


@pytest.mark.parametrize("content", ["nothing", "no group", "other"])
def test_hdf5_that_is_no_snapshot_is_refused(snapshot, content):
    file, read = snapshot
    if content == "other":
        file["weights"] = np.float32([1])
    if content == "no group":
        file["data"] = np.float32([1])
    with pytest.raises(MalformedCheckpoint, match="no group data"):
        read()


def test_a_gap_between_blobs_is_refused(snapshot):
    file, read = snapshot
    file["data/conv/0"] = np.float32([1])
    file["data/conv/2"] = np.float32([1])
    with pytest.raises(MalformedCheckpoint, match="no blob 1"):
        read()


def test_blobs_that_are_no_numbers_are_refused(snapshot):
    file, read = snapshot
    file["data/conv/0"] = np.int32([1])
    with pytest.raises(MalformedCheckpoint, match="holds no numbers"):
        read()


def test_blobs_kept_in_another_file_are_refused(snapshot, tmp_path):
    file, read = snapshot
    other = [(tmp_path / "secret", 0, h5py.h5f.UNLIMITED)]
    file.create_dataset("data/conv/0", shape=(4,), dtype="f4", external=other)
    with pytest.raises(MalformedCheckpoint, match="another file"):
        read()


def test_links_are_not_followed(snapshot):
    file, read = snapshot
    file["data/conv/0"] = np.float32([1])
    file["data/linked"] = h5py.ExternalLink("elsewhere.h5", "/data/conv")
    file["data/soft"] = h5py.SoftLink("/data/conv")
    assert list(read()) == ["conv"]


def test_a_blob_that_announces_more_than_the_file_can_hold_is_refused(snapshot):
    file, read = snapshot
    file.create_dataset("data/conv/0", shape=(2**40,), dtype="f4", chunks=(1024,))
    with pytest.raises(MalformedCheckpoint, match="larger than the file"):
        read()


def test_groups_in_a_circle_are_refused(snapshot):
    file, read = snapshot
    file["data/conv/0"] = np.float32([1])
    file["data/circle"] = file["data"]
    with pytest.raises(MalformedCheckpoint, match="repeat or nest too deep"):
        read()


def test_a_cut_snapshot_is_refused(snapshot, tmp_path):
    file, read = snapshot
    file["data/conv/0"] = np.float32(range(1000))
    read()
    path = tmp_path / "net.caffemodel"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(MalformedCheckpoint, match="cannot be read as HDF5"):
        read_blobs(path)


def test_packed_blobs_are_read_where_they_are_not_far_larger_than_the_file(snapshot):
    file, read = snapshot
    numbers = np.random.default_rng(0).normal(size=1000).astype(np.float32)
    options = {"compression": "gzip", "shuffle": True, "fletcher32": True}
    file.create_dataset("data/conv/0", data=numbers, **options)
    assert np.array_equal(read()["conv"][0], numbers)


def test_a_chunk_larger_than_the_file_is_refused(snapshot):
    file, read = snapshot
    sizes = {"shape": (1,), "maxshape": (None,), "chunks": (2**28,)}
    file.create_dataset("data/conv/0", dtype="f4", **sizes)
    with pytest.raises(MalformedCheckpoint, match="larger than the file") as caught:
        read()
    assert "h5repack" in caught.value.hint


def test_filters_that_hdf5_would_have_to_load_are_refused(snapshot):
    file, read = snapshot
    file.create_dataset("data/conv/0", data=np.zeros(9, np.float32), compression="lzf")
    with pytest.raises(MalformedCheckpoint, match="packed in an unknown way"):
        read()


def test_more_members_than_a_network_has_are_refused(snapshot, monkeypatch):
    file, read = snapshot
    monkeypatch.setattr(hdf5, "MOST_MEMBERS", 4)
    file["data/conv/0"] = np.float32([1])
    file["data/ip/0"] = np.float32([1])
    file["data/ip/1"] = np.float32([1])
    with pytest.raises(MalformedCheckpoint, match="more than 4 groups and blobs"):
        read()


def test_the_state_of_a_solver_is_called_by_its_name(snapshot):
    file, read = snapshot
    file["iter"] = 5000
    file["history/0"] = np.float32([1])
    with pytest.raises(UnknownFormat, match="the state of a solver"):
        read()
