"""Archives that are made while they are sent: other programs read them, any range is theirs."""

import io
import subprocess
import tarfile
import zipfile

import pytest

from zoo.images.packing import FULL, Packed, pack_tar, pack_zip

CONTENTS = {
    "ant/1.png": b"first",
    "ant/empty.png": b"",
    "bee/\N{LATIN SMALL LETTER E WITH ACUTE}.png": bytes(range(256)) * 300,
    f"bee/{'long' * 60}.png": b"x" * 512,
}


def files(contents=CONTENTS):
    return [
        Packed(path=path, size_bytes=len(data), open=lambda data=data: io.BytesIO(data))
        for path, data in contents.items()
    ]


@pytest.fixture(params=[pack_zip, pack_tar])
def pack(request):
    return request.param


def unpacked(data):
    """Read an archive with Python's own readers."""
    if data.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            assert archive.testzip() is None
            return {info.filename: archive.read(info) for info in archive.infolist()}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return {info.name: archive.extractfile(info).read() for info in archive}


def test_what_was_packed_is_read_again(pack):
    assert unpacked(b"".join(pack(files()).read())) == CONTENTS


def test_an_archive_of_nothing_is_one(pack):
    archive = pack([])
    assert unpacked(b"".join(archive.read())) == {}


def test_the_length_is_known_before(pack):
    archive = pack(files())
    assert archive.size_bytes == len(b"".join(archive.read()))


def test_the_same_files_give_the_same_bytes(pack):
    assert list(pack(files()).read()) == list(pack(files()).read())


def test_any_range_is_that_of_the_whole(pack):
    whole = b"".join(pack(files()).read())
    places = [0, 1, 29, 30, 500, 513, len(whole) // 2, len(whole) - 22, len(whole) - 1, len(whole)]
    for start in places:
        for stop in places:
            # Each from an archive that has read nothing yet.
            assert b"".join(pack(files()).read(start, stop)) == whole[start:stop]


def test_only_the_files_of_a_range_are_read(pack):
    def refuse():
        raise AssertionError

    rest = [Packed(path="z", size_bytes=10**12, open=refuse)]
    archive = pack([*files(), *rest])
    assert b"".join(archive.read(0, 100)) == b"".join(pack(files()).read(0, 100))
    assert archive.size_bytes > 10**12


@pytest.mark.parametrize(("pack", "command"), [(pack_zip, "unzip"), (pack_tar, "tar")])
def test_no_time_owner_or_mode_differs(pack, command):
    data = b"".join(pack(files()).read())
    if command == "tar":
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            told = {(one.mtime, one.uid, one.uname, one.mode) for one in archive}
        assert told == {(0, 0, "", 0o644)}
    else:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            told = {(one.date_time, one.external_attr >> 16) for one in archive.infolist()}
        assert told == {((1980, 1, 1, 0, 0, 0), 0o100644)}


def test_the_tar_of_the_system_reads_it(tmp_path):
    path = tmp_path / "packed.tar"
    path.write_bytes(b"".join(pack_tar(files()).read()))
    subprocess.run(["tar", "-xf", path, "-C", tmp_path], check=True, timeout=60)
    assert (tmp_path / "ant/1.png").read_bytes() == b"first"


def test_a_zip_beyond_four_gigabytes_is_of_the_64_bit_form(tmp_path):
    """Its beginning, its second file and its end, in a file with a hole where zeros would be."""
    large = [
        Packed(path="large", size_bytes=FULL + 7, open=lambda: io.BytesIO(b"")),
        Packed(path="small", size_bytes=3, open=lambda: io.BytesIO(b"abc")),
    ]
    archive = pack_zip(large)
    head = archive.parts[0].size_bytes
    path = tmp_path / "sparse.zip"
    with path.open("wb") as file:
        file.write(b"".join(archive.read(0, head)))
        file.seek(head + FULL + 7)
        file.write(b"".join(archive.read(head + FULL + 7)))
    assert path.stat().st_size == archive.size_bytes
    with zipfile.ZipFile(path) as read:
        assert [info.file_size for info in read.infolist()] == [FULL + 7, 3]
        assert read.getinfo("small").header_offset > FULL
        assert read.read("small") == b"abc"


def test_a_zip_of_more_files_than_sixteen_bits_count_is_read():
    many = files({f"c/{number}": b"" for number in range(2**16 + 1)})
    data = b"".join(pack_zip(many).read())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.infolist()) == 2**16 + 1
