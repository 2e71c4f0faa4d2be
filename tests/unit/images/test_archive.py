"""Archives that may be damaged or mean harm end in one clear error, and nothing is unpacked."""

import gzip
import io
import random
import struct
import tarfile
import warnings
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.domain.dataset import Skipped
from zoo.errors import MalformedArchive, TooLarge, UnsafeArchive, ZooError
from zoo.images.archive import open_archive
from zoo.images.member import Limits

LIMITS = Limits(total_bytes=10_000_000, member_bytes=1_000_000, members=100)
FINE = {"ants/1.jpg": b"one" * 700, "bees/2.jpg": b"two" * 700}


def make_zip(path, files, **options):
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", **options) as archive:
        warnings.simplefilter("ignore")  # of names that come twice
        for name, data in files:
            archive.writestr(name, data)
    return path


def make_tar(path, infos, mode="w", format_=tarfile.PAX_FORMAT):
    """Pack (name or TarInfo, bytes) pairs."""
    with tarfile.open(path, mode, format=format_) as archive:
        for given_info, data in infos:
            info = tarfile.TarInfo(given_info) if isinstance(given_info, str) else given_info
            if info.isreg():
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def read_all(path, limits=LIMITS):
    with open_archive(path, limits) as source:
        return {member.path: member.read() for member in source.members}


UNSAFE = {
    "../1.jpg": "climbs out",
    "ants/../../1.jpg": "climbs out",
    "ants/..": "climbs out",
    "..\\..\\1.jpg": "climbs out",
    "ants\\../1.jpg": "climbs out",
    "/etc/passwd": "absolute",
    "\\\\host\\share": "absolute",
    "C:\\1.jpg": "drive letter",
    "c:1.jpg": "drive letter",
    ".": "no name",
}


@pytest.mark.parametrize("pack", [make_zip, make_tar])
@pytest.mark.parametrize(("name", "reason"), UNSAFE.items())
def test_a_member_that_leaves_its_folder_refuses_the_archive(tmp_path, pack, name, reason):
    path = pack(tmp_path / "packed", [*FINE.items(), (name, b"x")])
    with pytest.raises(UnsafeArchive, match=reason) as caught, open_archive(path, LIMITS):
        pass
    assert str(caught.value).startswith(f"{path}: member ")
    assert caught.value.detail["member"] == name


@pytest.mark.parametrize("pack", [make_zip, make_tar])
@pytest.mark.parametrize("name", ["ants/1.jpg", "./ants//1.jpg", "ants\\1.jpg"])
def test_a_member_that_comes_twice_refuses_the_archive(tmp_path, pack, name):
    path = pack(tmp_path / "packed", [*FINE.items(), (name, b"x")])
    with pytest.raises(UnsafeArchive, match=r"'ants/1\.jpg' comes twice"):
        read_all(path)


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_backslashes_of_windows_count_as_slashes(tmp_path, pack):
    path = pack(tmp_path / "packed", [("ants\\deep\\1.jpg", b"x"), ("./bees/.//2.jpg", b"y")])
    assert read_all(path) == {"ants/deep/1.jpg": b"x", "bees/2.jpg": b"y"}


def test_a_name_that_hides_its_end_behind_a_nul_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("ants/1.jpg_.exe", b"x")])
    path.write_bytes(path.read_bytes().replace(b"1.jpg_.exe", b"1.jpg\0.exe"))
    with pytest.raises(UnsafeArchive, match="NUL"):
        read_all(path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_a_link_or_device_in_a_tar_refuses_the_archive(tmp_path, kind):
    info = tarfile.TarInfo("ants/link")
    info.type, info.linkname = kind, "1.jpg"
    path = make_tar(tmp_path / "a.tar", [*FINE.items(), (info, b"")])
    with pytest.raises(UnsafeArchive, match="'ants/link' is a link or a device"):
        read_all(path)


def test_a_link_in_a_zip_refuses_the_archive(tmp_path):
    info = zipfile.ZipInfo("ants/link")
    info.external_attr = 0o120777 << 16
    path = make_zip(tmp_path / "a.zip", [*FINE.items(), (info, b"/etc/passwd")])
    with pytest.raises(UnsafeArchive, match="'ants/link' is a link or a device"):
        read_all(path)


def test_an_encrypted_member_is_said_to_be_encrypted(tmp_path):
    path = make_zip(tmp_path / "a.zip", FINE.items())
    data = bytearray(path.read_bytes())
    entry = data.find(b"PK\x01\x02")
    data[entry + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(UnsafeArchive, match=r"'ants/1\.jpg' is encrypted") as caught:
        read_all(path)
    assert "password" in caught.value.hint


def test_folders_are_no_members(tmp_path):
    folder = tarfile.TarInfo("ants")
    folder.type = tarfile.DIRTYPE
    tar = make_tar(tmp_path / "a.tar", [(folder, b""), *FINE.items()])
    packed = make_zip(tmp_path / "a.zip", [("ants/", b""), ("bees\\", b""), *FINE.items()])
    assert read_all(tar) == read_all(packed) == FINE


def test_members_come_in_the_order_of_their_bytes(tmp_path):
    files = [("b/1", b"1"), ("a/2", b"2"), ("c/3", b"3")]
    for pack in (make_zip, make_tar):
        assert list(read_all(pack(tmp_path / "packed", files))) == ["b/1", "a/2", "c/3"]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_members_are_read(tmp_path, method):
    assert read_all(make_zip(tmp_path / "a.zip", FINE.items(), compression=method)) == FINE


def test_a_zip_of_a_rare_method_is_refused_with_a_way_out(tmp_path):
    path = make_zip(tmp_path / "a.zip", FINE.items(), compression=zipfile.ZIP_LZMA)
    with pytest.raises(
        MalformedArchive, match=r"'ants/1\.jpg' is compressed with method 14"
    ) as got:
        read_all(path)
    assert "deflate" in got.value.hint


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_kind_of_tar_is_read(tmp_path, format_):
    files = FINE | {"ants/" + "long" * 30 + "/1.jpg": b"x"}
    assert read_all(make_tar(tmp_path / "a.tar", files.items(), format_=format_)) == files


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_an_archive_may_be_empty(tmp_path, pack):
    assert read_all(pack(tmp_path / "packed", [])) == {}


def test_a_tar_name_that_is_not_unicode_is_skipped_and_can_be_shown(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT, encoding="latin-1") as archive:
        for name in ("ants/caf\xe9.jpg", "ants/1.jpg"):
            archive.addfile(tarfile.TarInfo(name))
    with open_archive(path, LIMITS) as source:
        assert source.paths == ("ants/1.jpg",)
        assert source.skipped == (
            Skipped(path=r"ants/caf\xe9.jpg", reason="its name is not Unicode"),
        )


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_too_many_members_are_refused(tmp_path, pack):
    path = pack(tmp_path / "packed", [(f"a/{i}", b"") for i in range(101)])
    with pytest.raises(TooLarge, match="more than 100 members"), open_archive(path, LIMITS):
        pass


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_too_many_bytes_in_all_are_refused_before_any_is_read(tmp_path, pack):
    path = pack(tmp_path / "packed", FINE.items())
    limits = Limits(total_bytes=4199, member_bytes=4000)
    with pytest.raises(TooLarge, match="more than 4199 bytes") as got, open_archive(path, limits):
        pass
    assert "ZOO_MAX_ARCHIVE_BYTES" in got.value.hint
    assert read_all(path, Limits(total_bytes=4200, member_bytes=4000)) == FINE


@pytest.mark.parametrize("pack", [make_zip, make_tar])
def test_a_member_above_the_limit_is_named_and_the_others_can_be_read(tmp_path, pack):
    path = pack(tmp_path / "packed", [("a/large", bytes(11)), ("a/small", bytes(10))])
    with open_archive(path, Limits(total_bytes=100, member_bytes=10)) as source:
        large, small = source.members
        with pytest.raises(TooLarge, match="a/large: 11 bytes"):
            large.read()
        assert small.read() == bytes(10)


def test_a_zip_that_announces_less_than_it_holds_gives_no_more_than_announced(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a/1", bytes(500_000))], compression=zipfile.ZIP_DEFLATED)
    path.write_bytes(path.read_bytes().replace(struct.pack("<I", 500_000), struct.pack("<I", 9)))
    with pytest.raises(MalformedArchive, match="Bad CRC-32"):
        read_all(path)


def test_a_zip_that_announces_more_than_it_holds_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a/1", b"abc")], compression=zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    entry = data.find(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 50)
    path.write_bytes(data)
    with pytest.raises(MalformedArchive, match="'a/1' is not of the 50 bytes announced"):
        read_all(path)


def test_a_zip_whose_index_is_beyond_reason_is_refused_before_it_is_read(tmp_path):
    path = make_zip(tmp_path / "a.zip", [(f"a/{i}" + "x" * 60_000, b"") for i in range(20)])
    with pytest.raises(TooLarge, match="its index"), open_archive(path, LIMITS):
        pass


def make_block(name, size, kind=b"0"):
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.USTAR_FORMAT)


def test_a_compressed_tar_that_announces_too_much_is_not_decompressed(tmp_path):
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(make_block("a/1", 2**32) + bytes(1024)))
    with pytest.raises(TooLarge, match="unpacks to more"), open_archive(path, LIMITS):
        pass


def test_a_tar_header_whose_extension_is_beyond_reason_is_refused(tmp_path):
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(make_block("pax", 2**28, b"x") + bytes(2**21)))
    with pytest.raises(TooLarge, match="its index"), open_archive(path, LIMITS):
        pass


def test_a_chain_of_tar_extensions_ends_in_an_error(tmp_path):
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(make_block("pax", 0, b"x") * 5000 + bytes(1024)))
    with pytest.raises(MalformedArchive, match="recursion"), open_archive(path, LIMITS):
        pass


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
@pytest.mark.parametrize("kept", [0.2, 0.5, 0.9])
def test_a_tar_that_is_cut_short_is_refused(tmp_path, mode, kept):
    noise = [(f"a/{i}", random.Random(i).randbytes(3000)) for i in range(9)]
    path = make_tar(tmp_path / "a", noise, mode=mode)
    if mode == "w":  # without the empty blocks at its end
        path.write_bytes(path.read_bytes()[: 9 * 3584])
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(MalformedArchive, match="damaged or cut short") as caught:
        read_all(path)
    assert caught.value.detail["archive"] == str(path)


def test_a_tar_that_is_cut_between_two_members_is_refused(tmp_path):
    path = make_tar(tmp_path / "a", [("a/1", bytes(512)), ("a/2", bytes(512))])
    path.write_bytes(path.read_bytes()[:1024])
    with pytest.raises(MalformedArchive, match="no member and no end at byte 1024"):
        read_all(path)


def test_a_tar_with_a_damaged_header_is_refused_not_taken_for_a_smaller_one(tmp_path):
    path = make_tar(tmp_path / "a", [("a/1", bytes(512)), ("a/2", bytes(512))])
    data = bytearray(path.read_bytes())
    data[1024] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(MalformedArchive, match="at byte 1024"):
        read_all(path)


def test_a_wrong_checksum_of_a_compressed_tar_is_seen_before_any_member_is_given(tmp_path):
    path = make_tar(tmp_path / "a", FINE.items(), mode="w:gz")
    data = bytearray(path.read_bytes())
    data[-8] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(MalformedArchive, match="CRC"), open_archive(path, LIMITS):
        pass


def test_a_wrong_checksum_in_a_zip_is_seen(tmp_path):
    path = make_zip(tmp_path / "a.zip", [("a/1", b"abcdefgh")])
    path.write_bytes(path.read_bytes().replace(b"abcdefgh", b"abcdefgX"))
    with pytest.raises(MalformedArchive, match="CRC"):
        read_all(path)


def test_a_zip_with_a_damaged_index_is_refused_not_taken_for_a_smaller_one(tmp_path):
    path = make_zip(tmp_path / "a.zip", FINE.items())
    data = bytearray(path.read_bytes())
    data[data.find(b"PK\x01\x02") + 32] = 60  # a comment long enough to hide the second entry
    path.write_bytes(data)
    with pytest.raises(MalformedArchive, match="1 entries in an index of 2"):
        read_all(path)


def test_a_zip_may_end_in_a_comment(tmp_path):
    path = make_zip(tmp_path / "a.zip", FINE.items())
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = b"packed on a Tuesday" * 3000
    assert read_all(path) == FINE


def test_a_zip_of_more_entries_than_its_end_record_can_count_is_read(tmp_path):
    entry = struct.Struct("<4s24xH16x6s")  # an index of nothing but names, and where it lies
    index = b"".join(entry.pack(b"PK\x01\x02", 6, b"%06d" % i) for i in range(2**16 + 1))
    end = struct.pack("<4s4xHHII2x", b"PK\x05\x06", 1, 1, len(index), 4)
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04" + index + end)
    with open_archive(path, Limits(total_bytes=1, member_bytes=1)) as source:
        assert len(source.members) == 2**16 + 1


def test_a_zip_that_is_cut_short_is_refused(tmp_path):
    path = make_zip(tmp_path / "a.zip", FINE.items())
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(MalformedArchive, match="not a zip file"):
        read_all(path)


def test_a_tar_whose_file_shrinks_while_it_is_open_is_refused(tmp_path):
    path = make_tar(tmp_path / "a", [("a/1", bytes(100_000))])
    with open_archive(path, LIMITS) as source:
        with path.open("r+b") as file:
            file.truncate(50_000)
        with pytest.raises(MalformedArchive):
            source.members[0].read()


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        (b"Rar!\x1a\x07\x01\x00", "it is a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "it is a 7-Zip archive"),
        (b"\x28\xb5\x2f\xfd", "it is compressed with zstd"),
        (b"\xff\xd8\xff", "it is neither a zip nor a tar"),
        (b"", "it is neither a zip nor a tar"),
    ],
)
def test_what_is_no_archive_of_ours_is_refused_for_what_it_is(tmp_path, head, reason):
    path = tmp_path / "a.zip"
    path.write_bytes(head)
    with pytest.raises(MalformedArchive, match=reason), open_archive(path, LIMITS):
        pass


def test_a_compressed_file_that_is_no_tar_is_refused(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"just some words" * 100))
    with pytest.raises(MalformedArchive, match="damaged or cut short"):
        read_all(path)


def test_an_archive_that_cannot_be_opened_is_named(tmp_path):
    with (
        pytest.raises(MalformedArchive, match="Is a directory"),
        open_archive(tmp_path, LIMITS),
    ):
        pass


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["zip", "w", "w:gz", "w:bz2", "w:xz"])
@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_damage_ends_in_the_right_bytes_or_in_our_error(tmp_path_factory, kind, seed):
    path = tmp_path_factory.mktemp("damaged") / "packed"
    if kind == "zip":
        make_zip(path, FINE.items(), compression=zipfile.ZIP_DEFLATED)
    else:
        make_tar(path, FINE.items(), mode=kind)
    rng = random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(len(data))] = rng.randrange(256)
    path.write_bytes(data)
    try:
        found = read_all(path)
    except ZooError:
        return
    if kind != "w":  # a plain tar has no checksum of its contents
        assert {zlib.crc32(content) for content in found.values()} <= {
            zlib.crc32(content) for content in FINE.values()
        }
