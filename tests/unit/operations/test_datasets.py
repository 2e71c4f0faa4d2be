"""Adding datasets: the good is kept, the bad listed, what cannot be learned refused."""

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image

from zoo.domain.dataset import Split
from zoo.errors import (
    BadName,
    ClassesDiffer,
    Conflict,
    DatasetNotFound,
    EmptyDataset,
    OneClass,
    PathNotFound,
    TooFewPictures,
)
from zoo.operations import publish
from zoo.operations.access import list_audit
from zoo.operations.datasets import add_dataset, dataset_name, get_dataset, list_datasets
from zoo.operations.opening import open_zoo, utc_now
from zoo.operations.sweep import sweep
from zoo.settings import read_settings


def test_a_folder_becomes_a_dataset(zoo, insects):
    added = add_dataset(zoo, insects(ant=5, bee=10))
    assert added == get_dataset(zoo, "insects") == get_dataset(zoo, added.address)
    assert added.classes == ("ant", "bee")
    assert added.counts() == {"train": {"ant": 4, "bee": 8}, "val": {"ant": 1, "bee": 2}}
    assert added.split_source == "drawn"
    assert all(zoo.blobs.has(picture.digest) for picture in added.pictures)


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar"])
def test_an_archive_is_the_same_dataset_as_its_folder(zoo, insects, tmp_path, kind):
    folder = insects(ant=5, bee=5)
    archive = shutil.make_archive(tmp_path / "packed" / "insects", kind, folder)
    added = add_dataset(zoo, Path(archive))
    assert added.name == "insects"
    assert added.id == add_dataset(zoo, folder).id
    assert len(list_datasets(zoo)) == 1


def test_a_split_that_the_folders_tell_is_kept(zoo, insects):
    insects("split/train", ant=3, bee=2)
    added = add_dataset(zoo, insects("split/val", start=5, ant=1, bee=2).parent)
    assert added.counts() == {"train": {"ant": 3, "bee": 2}, "val": {"ant": 1, "bee": 2}}
    assert added.split_source == "given"


def test_the_same_folder_again_gives_the_same_split(zoo, insects):
    folder = insects(ant=5, bee=5)
    assert add_dataset(zoo, folder) == add_dataset(zoo, folder)


def test_what_is_no_picture_is_listed_with_its_reason(zoo, insects, png):
    folder = insects(ant=5, bee=5)
    (folder / "ant" / "notes.txt").write_text("Do not forget the bees.")
    (folder / "bee" / "cut.png").write_bytes(png(9)[:30])
    (folder / "readme.txt").write_text("Insects.")
    added = add_dataset(zoo, folder)
    reasons = {skipped.path: skipped.reason for skipped in added.skipped}
    assert sorted(reasons) == ["ant/notes.txt", "bee/cut.png", "readme.txt"]
    assert not any(path in reason for path, reason in reasons.items())
    assert len(added.pictures) == 10


def test_a_picture_that_is_called_by_two_names_is_left_out(zoo, insects):
    folder = insects(ant=5, bee=5)
    (same, *_) = sorted((folder / "ant").iterdir())
    shutil.copy(same, folder / "bee" / "again.png")
    added = add_dataset(zoo, folder)
    told = {one.path: one.reason for one in added.skipped}
    assert told == dict.fromkeys(
        (f"ant/{same.name}", "bee/again.png"), "the same picture is called ant and bee"
    )
    assert len(added.pictures) == 9


def test_what_is_too_large_is_listed_with_its_reason(tmp_path, insects, png):
    folder = insects(ant=5, bee=5)
    (folder / "ant" / "large.png").write_bytes(png(0) + bytes(2000))
    with open_zoo(read_settings(home=tmp_path / "home", max_picture_bytes=1000)) as zoo:
        (skipped,) = add_dataset(zoo, folder).skipped
    assert skipped.path == "ant/large.png"
    assert "ZOO_MAX_PICTURE_BYTES" not in skipped.reason
    assert "1000" in skipped.reason


def test_progress_is_told_after_every_file(zoo, insects):
    told = []
    folder = insects(ant=2, bee=2)
    (folder / "ant" / "notes.txt").touch()
    add_dataset(zoo, folder, report=lambda done, total: told.append((done, total)))
    assert told == [(done, 5) for done in range(1, 6)]


@pytest.mark.parametrize(
    ("counts", "error"),
    [
        ({}, EmptyDataset),
        ({"ant": 0}, EmptyDataset),
        ({"ant": 5}, OneClass),
        ({"ant": 5, "bee": 1}, TooFewPictures),
    ],
)
def test_what_cannot_be_learned_is_refused_and_nothing_is_added(zoo, insects, counts, error):
    with pytest.raises(error):
        add_dataset(zoo, insects(**counts))
    assert list_datasets(zoo) == []


def test_a_folder_without_one_readable_picture_is_refused_by_its_first_file(zoo, insects):
    folder = insects(ant=0, bee=0)
    (folder / "ant" / "a.png").write_text("no picture")
    (folder / "bee" / "b.png").write_text("no picture")
    with pytest.raises(EmptyDataset, match=r"none of its 2 files .* ant/a\.png"):
        add_dataset(zoo, folder)
    assert list_datasets(zoo) == []


def test_pictures_that_all_contradict_each_other_are_told_as_such(zoo, insects):
    folder = insects(ant=2, bee=0)
    for path in sorted((folder / "ant").iterdir()):
        shutil.copy(path, folder / "bee" / path.name)
    with pytest.raises(EmptyDataset, match=r"none of its 4 files .* the first: .*ant") as caught:
        add_dataset(zoo, folder)
    assert "0 files" not in str(caught.value)


def test_a_class_whose_pictures_are_all_damaged_is_refused_by_name(zoo, insects):
    folder = insects(ant=5, bee=0)
    (folder / "bee" / "b.png").write_text("no picture")
    with pytest.raises(TooFewPictures, match=r"'bee' .* has 0 readable"):
        add_dataset(zoo, folder)
    assert list_datasets(zoo) == []


def test_a_class_of_gifs_is_refused_with_their_number_and_the_first_reason(zoo, insects):
    folder = insects(ant=5, bee=0)
    for name in "abc":
        (folder / "bee" / f"{name}.gif").write_bytes(b"GIF89a")
    (folder / "ant" / "0.txt").write_text("no picture")
    with pytest.raises(TooFewPictures) as caught:
        add_dataset(zoo, folder)
    told = "3 files or folders were left out, the first: bee/a.gif: it is a GIF."
    assert told in str(caught.value)
    assert caught.value.detail["skipped"] == 3


@pytest.mark.parametrize(
    ("linked", "error"), [("insects/bee", OneClass), ("insects/val/bee", ClassesDiffer)]
)
def test_links_that_lead_out_are_the_reason_told(zoo, insects, tmp_path, linked, error):
    away = insects("away", bee=2) / "bee"
    if error is OneClass:
        insects(start=2, ant=3)
    else:
        insects("insects/train", start=2, ant=3, bee=3)
        insects("insects/val", start=8, ant=2)
    (tmp_path / linked).mkdir()
    for path in away.iterdir():
        (tmp_path / linked / path.name).symlink_to(path)
    with pytest.raises(
        error, match=r"2 files or folders .*bee/1\.png: a link that leads"
    ) as caught:
        add_dataset(zoo, tmp_path / "insects")
    assert "cp -rL" in caught.value.hint


def test_a_hidden_folder_of_pictures_is_noted_and_is_the_reason_where_nothing_else_is(zoo, insects):
    folder = insects(ant=3, bee=3)
    insects("insects/.checkpoints", start=6, ant=2)
    (noted,) = add_dataset(zoo, folder).skipped
    assert (noted.path, noted.reason[:15]) == (".checkpoints", "a hidden folder")
    hidden = insects("others", **{".ant": 2})
    with pytest.raises(EmptyDataset, match=r"One was left out: \.ant: a hidden folder"):
        add_dataset(zoo, hidden)


def test_a_class_of_copies_of_one_picture_is_refused_by_name(zoo, insects, png):
    folder = insects(ant=5, bee=0)
    for name in "abc":
        (folder / "bee" / f"{name}.png").write_bytes(png(999))
    with pytest.raises(TooFewPictures, match=r"'bee' .* has 1 readable .* copies not counted"):
        add_dataset(zoo, folder)


def test_unequal_splits_are_refused(zoo, insects):
    insects("split/train", ant=3, bee=3)
    folder = insects("split/val", start=6, ant=2).parent
    with pytest.raises(ClassesDiffer, match="bee"):
        add_dataset(zoo, folder)
    assert list_datasets(zoo) == []


def test_a_split_whose_pictures_of_a_class_are_all_damaged_is_refused(zoo, insects):
    insects("split/train", ant=3, bee=3)
    folder = insects("split/val", start=6, ant=2, bee=0).parent
    (folder / "val" / "bee" / "b.png").write_text("no picture")
    with pytest.raises(ClassesDiffer, match="'bee'"):
        add_dataset(zoo, folder)


def test_a_path_that_is_not_there_is_refused(zoo, tmp_path):
    with pytest.raises(PathNotFound):
        add_dataset(zoo, tmp_path / "nowhere")


def test_a_bad_name_is_refused_before_a_picture_is_read(zoo, insects):
    told = []
    with pytest.raises(BadName):
        add_dataset(zoo, insects(ant=3, bee=3), name="a b", report=lambda *_: told.append(1))
    assert told == []
    assert list(zoo.blobs.list_blobs()) == []


def test_a_name_may_be_given(zoo, insects):
    assert add_dataset(zoo, insects(ant=3, bee=3), name="ada/flying").name == "ada/flying"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/data/insects", "insects"),
        ("/data/insects.zip", "insects"),
        ("insects.tar.gz", "insects"),
        ("insects.TGZ", "insects"),
        ("insects v1.0", "insects-v1.0"),
        ("ants - bees", "ants-bees"),
        ("ants--bees..old", "ants-bees.old"),
        ("/", "dataset"),
        ("昆虫", "dataset"),
        ("x" * 200, "x" * 96),
    ],
)
def test_a_dataset_is_called_after_its_folder_or_archive(path, name):
    assert dataset_name(Path(path)) == name


def test_a_dot_means_the_folder_one_is_in(tmp_path, monkeypatch):
    (tmp_path / "insects").mkdir()
    monkeypatch.chdir(tmp_path / "insects")
    assert dataset_name(Path()) == "insects"


def test_datasets_are_listed(zoo, insects):
    added = add_dataset(zoo, insects(ant=3, bee=3))
    (summary,) = list_datasets(zoo)
    assert (summary.name, summary.id, summary.counts) == (added.name, added.id, added.counts())


def test_a_dataset_whose_pictures_a_sweep_took_meanwhile_is_not_added(zoo, insects):
    folder = insects(ants=5, bees=5)

    def sweep_before_the_end(done, total):
        if done == total:
            zoo.blobs.delete(next(zoo.blobs.list_blobs()).digest)

    with pytest.raises(Conflict):
        add_dataset(zoo, folder, report=sweep_before_the_end)
    assert list_datasets(zoo) == []


@pytest.fixture
def asked(zoo, monkeypatch):
    """How often the store was asked for bytes while the writers' lock was held."""
    counts = []
    writing, find_kept = zoo.catalog.writing, zoo.blobs.find_kept
    is_locked = []

    @contextmanager
    def locked(**how):
        with writing(**how) as db:
            is_locked.append(True)
            yield db
            is_locked.clear()

    def find(digests):
        wanted = list(digests)
        if is_locked:
            counts.append(len(wanted))
        return find_kept(wanted)

    monkeypatch.setattr(zoo.catalog, "writing", locked)
    monkeypatch.setattr(zoo.blobs, "find_kept", find)
    return counts


def test_a_store_is_asked_for_no_picture_while_other_writers_wait(zoo, insects, asked):
    folder = insects(ant=5, bee=5)
    add_dataset(zoo, folder)
    insects("insects", start=20, ant=1)
    assert sum(add_dataset(zoo, folder).counts()["train"].values()) > 8
    assert sum(asked) == 0


def test_it_is_asked_again_where_a_sweep_may_have_taken_pictures(zoo, insects, asked, monkeypatch):
    swept = zoo.blobs.put([b"nothing refers to it"])
    check_kept = publish.check_kept

    def sweep_after(zoo, digests):
        check_kept(zoo, digests)
        os.utime(zoo.blobs.local_path(swept.digest), (0, 0))
        assert sweep(zoo).blobs == (swept.digest,)
        # A sweep of a shorter grace takes what is young.
        zoo.blobs.delete(digests[0])
        monkeypatch.setattr(publish, "check_kept", check_kept)

    monkeypatch.setattr(publish, "check_kept", sweep_after)
    with pytest.raises(Conflict, match="swept since"):
        add_dataset(zoo, insects(ant=5, bee=5))
    assert asked[-1] == 10
    (entry,) = [one for one in list_audit(zoo) if one.action == "blob.sweep"]
    assert entry.detail == {"removed": 1}


def test_it_is_asked_again_where_adding_took_half_of_the_grace(zoo, insects, asked):
    times = iter([0, *[zoo.settings.grace_s / 2] * 9])
    slow = replace(zoo, clock=lambda: utc_now() + timedelta(seconds=next(times)))
    add_dataset(slow, insects(ant=5, bee=5))
    assert asked == [10]


def test_an_unknown_dataset_is_not_found(zoo):
    with pytest.raises(DatasetNotFound):
        get_dataset(zoo, "insects")


def test_pictures_keep_the_split_they_were_drawn(zoo, insects):
    folder = insects(ant=10, bee=10)
    before = {p.path: p.split for p in add_dataset(zoo, folder).pictures}
    insects("insects", start=20, ant=1)
    after = {p.path: p.split for p in add_dataset(zoo, folder).pictures}
    moved = [path for path, split in before.items() if after[path] is not split]
    assert len(moved) <= 1
    assert list(after.values()).count(Split.VAL) == 4


def test_a_copy_of_a_training_picture_is_not_measured_on(zoo, tmp_path):
    for split in ("train", "val"):
        for label, grey in (("a", 0), ("b", 100)):
            for number in range(3):
                path = tmp_path / "set" / split / label / f"{split}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                # The third picture of each class is the same in both splits.
                level = grey + number + (50 if split == "val" and number < 2 else 0)
                Image.new("L", (8, 8), level).save(path)
    dataset = add_dataset(zoo, tmp_path / "set")
    assert [skipped.path for skipped in dataset.skipped] == ["val/a/val2.png", "val/b/val2.png"]
    assert "same picture as train/a/train2.png" in dataset.skipped[0].reason
    assert len(dataset.of_split(Split.VAL)) == 4
