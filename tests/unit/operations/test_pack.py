"""A dataset that is packed and added again is the same dataset."""

import zipfile
from dataclasses import replace

import pytest

from zoo.domain.dataset import ArchiveKind, Picture, Split
from zoo.errors import DatasetNotFound
from zoo.operations.datasets import add_dataset
from zoo.operations.pack import _is_faithful, pack_dataset, safe_paths


@pytest.fixture
def split(insects):
    """A folder with train, val and test, in two folders that only wrap."""
    for start, part in ((0, "train"), (10, "Validation"), (20, "test")):
        insects(f"a/b/{part}", start=start, ant=3, bee=2)
    return insects("a")


@pytest.fixture
def nested(insects):
    """Class folders with folders inside, and files that are no pictures."""
    folder = insects("nested", ant=5, bee=4)
    (folder / "ant" / "more" / "é").mkdir(parents=True)
    (folder / "ant" / "1.png").rename(folder / "ant" / "more" / "é" / "1.png")
    (folder / "bee" / "no.png").write_text("no picture")
    (folder / "README.md").write_text("about")
    return folder


@pytest.mark.parametrize("kind", ArchiveKind)
@pytest.mark.parametrize("folder", ["split", "nested"])
def test_added_again_it_is_the_same_dataset(zoo, request, tmp_path, kind, folder):
    dataset = add_dataset(zoo, request.getfixturevalue(folder), name="lab/insects")
    packed = pack_dataset(zoo, "lab/insects", kind)
    path = tmp_path / packed.file_name
    path.write_bytes(b"".join(packed.archive.read()))
    again = add_dataset(zoo, path, name="other")
    assert packed.is_faithful
    assert again.id == dataset.id
    assert again.split_source == dataset.split_source
    assert packed.file_name == f"lab-insects-{dataset.id[:12]}.{kind.value}"


def test_class_folders_are_inside(zoo, insects):
    dataset = add_dataset(zoo, insects(ant=2, bee=2))
    packed = pack_dataset(zoo, dataset.address, ArchiveKind.TAR)
    assert b"ant/1.png" in b"".join(packed.archive.read())


def test_the_same_dataset_gives_the_same_bytes_wherever_it_came_from(zoo, insects, tmp_path):
    folder = insects(ant=3, bee=3)
    first = add_dataset(zoo, folder)
    with zipfile.ZipFile(tmp_path / "other.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*.png"), reverse=True):
            archive.write(path, path.relative_to(folder))
    second = add_dataset(zoo, tmp_path / "other.zip")
    one, other = (
        pack_dataset(zoo, dataset.address, ArchiveKind.ZIP) for dataset in (first, second)
    )
    assert b"".join(one.archive.read()) == b"".join(other.archive.read())
    assert one.tag == other.tag != pack_dataset(zoo, first.address, ArchiveKind.TAR).tag


def test_a_dataset_that_is_not_there_is_not_packed(zoo):
    with pytest.raises(DatasetNotFound):
        pack_dataset(zoo, "none", ArchiveKind.ZIP)


def test_names_that_some_program_would_not_take_are_changed_and_told_apart():
    given = ["C:/a", "C_/a", "a\\b/c", "a_b/c", "a/\x1b[31m", "plain/é.png"]
    assert safe_paths(given) == ["C_/a", "C_/2-a", "a_b/c", "a_b/2-c", "a/_[31m", "plain/é.png"]


def test_folders_that_would_mean_something_else_are_told(zoo, split):
    dataset = add_dataset(zoo, split)
    paths = [picture.path for picture in dataset.pictures]
    assert _is_faithful(dataset, paths)
    kept = tuple(p for p in dataset.pictures if (p.split, p.label) != (Split.TEST, "bee"))
    lacking = replace(dataset, pictures=kept)
    assert not _is_faithful(lacking, [picture.path for picture in kept])
    trained = tuple(p for p in dataset.pictures if p.split is Split.TRAIN)
    assert not _is_faithful(replace(dataset, pictures=trained), [p.path for p in trained])
    assert not _is_faithful(dataset, [path.replace("ant", "wasp") for path in paths])
    other = replace(dataset, pictures=(*dataset.pictures[1:], _moved(dataset.pictures[0])))
    assert not _is_faithful(other, [picture.path for picture in other.pictures])


def _moved(picture: Picture) -> Picture:
    return replace(picture, split=Split.VAL if picture.split is Split.TRAIN else Split.TRAIN)
