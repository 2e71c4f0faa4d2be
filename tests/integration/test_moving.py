"""Moving a zoo from SQLite and a folder to PostgreSQL and S3, and back."""

import re

import pytest

from zoo.catalog import copying
from zoo.errors import BadSetting, CatalogDamaged, Conflict, DigestMismatch, StoreUnavailable
from zoo.operations import backup, fetch
from zoo.operations.moving import move
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.scrub import scrub
from zoo.settings import read_settings


@pytest.fixture
def source(home):
    """A zoo with a few models in SQLite and a folder."""
    with open_zoo(read_settings(home=home)) as zoo:
        for number in range(6):
            files = {"text": zoo.blobs.put([f"number {number}".encode()])}
            publish(zoo, Publication(model="lab/net", files=files, message=f"the {number}."))
        zoo.blobs.put([b"not named yet"])
        yield zoo


@pytest.fixture
def settings(tmp_path, postgresql_url, s3_settings):
    return read_settings(home=tmp_path / "there", database_url=postgresql_url, **s3_settings)


@pytest.fixture
def target(settings):
    """An empty zoo in PostgreSQL and S3."""
    with open_zoo(settings) as zoo:
        yield zoo


def content(zoo):
    with zoo.catalog.reading() as db:
        return copying.measure(db.connection())


def kept(zoo):
    return {blob.digest: blob.size_bytes for blob in zoo.blobs.list_blobs()}


def files_of(folder):
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_a_zoo_is_moved_there_and_back_whole(source, target, tmp_path):
    before, lying = content(source), files_of(source.blobs.root)
    there = move(source, target)
    assert (there.blobs, there.blobs_there, there.has_moved_rows) == (len(lying), 0, True)
    assert content(source) == content(target) == before
    assert kept(target) == kept(source)
    assert scrub(target) == []
    assert files_of(source.blobs.root) == lying
    with open_zoo(read_settings(home=tmp_path / "back")) as back:
        assert move(target, back).blobs == len(lying)
        assert content(back) == before
        assert kept(back) == kept(source)
        assert scrub(back) == []


def test_a_moved_zoo_goes_on(source, target):
    move(source, target)
    head = fetch.get_model(source, "lab/net").head
    files = {"text": target.blobs.put([b"new"])}
    made = publish(target, Publication(model="lab/net", files=files, message="new"))
    assert made.previous == head.id


@pytest.mark.parametrize("after", [0, 3])
def test_a_move_that_breaks_off_goes_on_where_it_was(source, target, monkeypatch, after):
    before = content(source)
    real, sent = target.blobs.put, []

    def put(chunks, *, expected):
        if len(sent) >= after:
            raise StoreUnavailable
        sent.append(expected)
        return real(chunks, expected=expected)

    monkeypatch.setattr(target.blobs, "put", put)
    with pytest.raises(StoreUnavailable):
        move(source, target)
    assert len(kept(target)) == len(sent)
    with target.catalog.reading() as db:
        assert copying.is_empty(db.connection())
    monkeypatch.undo()
    done = move(source, target)
    assert (done.blobs, done.blobs_there) == (7 - after, after)
    assert content(target) == content(source) == before
    again = move(source, target)
    assert (again.blobs, again.blobs_there, again.has_moved_rows) == (0, 7, False)


def test_rows_that_do_not_arrive_as_they_were_are_taken_back(source, target, monkeypatch):
    monkeypatch.setattr(copying, "_refer", lambda *_arguments: None)
    with pytest.raises(CatalogDamaged, match="revisions"):
        move(source, target)
    with target.catalog.reading() as db:
        assert copying.is_empty(db.connection())


@pytest.mark.parametrize("is_lost", [True, False])
def test_bytes_that_are_missing_or_damaged_end_the_move_before_the_rows(source, target, is_lost):
    digest = fetch.get_model(source, "lab/net").head.files[0].digest
    path = source.blobs.local_path(digest)
    path.chmod(0o600)
    path.unlink() if is_lost else path.write_bytes(b"number X")
    with pytest.raises(DigestMismatch, match=f"1 blobs cannot be moved: {digest} is"):
        move(source, target)
    with target.catalog.reading() as db:
        assert copying.is_empty(db.connection())
    assert not target.blobs.has(digest)
    source.blobs.quarantine(digest)
    source.blobs.put([b"number 5"])
    assert move(source, target).blobs == 1


def test_what_nobody_names_may_be_damaged(source, target):
    digest = source.blobs.put([b"orphan"]).digest
    path = source.blobs.local_path(digest)
    path.chmod(0o600)
    path.write_bytes(b"orphaN")
    move(source, target)
    assert not target.blobs.has(digest)


def test_a_catalog_that_holds_something_else_is_not_touched(source, target):
    files = {"text": target.blobs.put([b"other"])}
    publish(target, Publication(model="other", files=files, message="other"))
    before = content(target), kept(target)
    with pytest.raises(Conflict, match="holds something else"):
        move(source, target)
    assert (content(target), kept(target)) == before


def test_the_store_alone_is_moved_under_the_same_catalog(source, tmp_path):
    with open_zoo(read_settings(home=source.settings.home, store=str(tmp_path / "store"))) as zoo:
        done = move(source, zoo)
        assert (done.blobs, done.has_moved_rows) == (7, False)
        assert scrub(zoo) == []
        with pytest.raises(BadSetting, match="there already"):
            move(source, source)


def test_the_command(source, settings, zoo_cli, tmp_path, monkeypatch):
    before = content(source)
    monkeypatch.setenv("ZOO_TO_DATABASE_URL", settings.database_url)
    to = ["--to-store", settings.store, "--to-endpoint", settings.store_endpoint]
    ran = zoo_cli("migrate-store", *to, "--to-region", "eu-north-1")
    monkeypatch.delenv("ZOO_TO_DATABASE_URL")
    assert ran.code == 0
    assert "7 blobs moved" in ran.out
    assert "every one is the same" in ran.out
    told = dict(re.findall(r"export (\w+)=(.+)", ran.err))
    assert told["ZOO_STORE"] == settings.store
    assert told["ZOO_STORE_ENDPOINT"] == settings.store_endpoint
    assert told["ZOO_STORE_REGION"] == "eu-north-1"
    assert "options=***" in told["ZOO_DATABASE_URL"]  # of the test's own schema
    assert "*** in ZOO_DATABASE_URL stands for what is not shown" in ran.err
    for name in ("database_url", "store", "store_endpoint"):
        monkeypatch.setenv(f"ZOO_{name.upper()}", getattr(settings, name))
    assert "lab/net" in zoo_cli("list").out
    assert zoo_cli("migrate-store", "--to-home", tmp_path / "back").code == 0
    with open_zoo(read_settings(home=tmp_path / "back", database_url="", store="")) as back:
        assert content(back) == before
    assert zoo_cli("migrate-store").code == 2


def test_a_backup_of_postgresql_is_restored_into_sqlite(source, target, tmp_path):
    move(source, target)
    made = backup.back_up(target, tmp_path / "file")
    with open_zoo(read_settings(home=tmp_path / "new", store=str(source.blobs.root))) as zoo:
        assert backup.restore(zoo, tmp_path / "file").missing == ()
        assert content(zoo) == made.tables == content(source)
