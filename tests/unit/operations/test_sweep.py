"""A sweep removes what nothing refers to, and nothing else; a scrub finds every changed byte."""

import hashlib
import json
import os
import threading
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import event

from zoo.catalog import garbage, lifecycle
from zoo.domain.access import Caller, Role
from zoo.domain.job import JobKind
from zoo.domain.revision import RefKind
from zoo.errors import Conflict, Forbidden, ModelNotFound, PathNotFound
from zoo.operations.access import list_audit
from zoo.operations.commit import Change, commit, find_proven, keep_content
from zoo.operations.fetch import get_model, get_revision
from zoo.operations.jobs import enqueue
from zoo.operations.models import create_model, delete_model, restore_model
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish, put_text
from zoo.operations.refs import add_ref
from zoo.operations.scrub import repair, scrub
from zoo.operations.steering import cancel
from zoo.operations.sweep import sweep
from zoo.operations.xet import _folder
from zoo.settings import read_settings


@pytest.fixture
def zoo(tmp_path):
    """A zoo without grace: whatever nothing refers to may go at once."""
    with open_zoo(read_settings(home=tmp_path / "home", grace_s=0)) as opened:
        yield opened


@pytest.fixture
def later(zoo):
    """The same zoo a second later."""
    return replace(zoo, clock=lambda: zoo.clock() + timedelta(seconds=1))


def make(zoo, name="net", **texts):
    files = {path: put_text(zoo, text) for path, text in (texts or {"a": name}).items()}
    return publish(zoo, Publication(model=name, files=files, message="made"))


def kept(zoo):
    return {blob.digest for blob in zoo.blobs.list_blobs()}


def test_bytes_without_a_reference_go_and_others_stay(zoo, later):
    revision = make(zoo)
    orphan = put_text(zoo, "orphan")
    dry = sweep(later, is_dry=True)
    assert (dry.blobs, dry.size_bytes) == ((orphan.digest,), 6)
    assert orphan.digest in kept(zoo)
    assert sweep(later).blobs == (orphan.digest,)
    assert kept(zoo) == {file.digest for file in revision.files}
    assert scrub(zoo) == []


def test_old_revisions_stay_and_so_does_what_a_job_waits_for(zoo, later):
    make(zoo, a="first")
    make(zoo, a="second")
    waits = put_text(zoo, "waits")
    enqueue(zoo, JobKind.IMPORT, {"draft": waits.digest, "files": {"x": [waits.digest, 5]}})
    assert sweep(later).blobs == ()
    assert len(kept(zoo)) == 3


def test_what_jobs_hold_is_read_once_in_a_sweep(zoo, later, monkeypatch):
    waits = [put_text(zoo, f"waits {number}") for number in range(3)]
    for blob in waits:
        enqueue(zoo, JobKind.IMPORT, {"draft": blob.digest})
    orphans = [put_text(zoo, f"orphan {number}") for number in range(3)]
    read = []
    engine = zoo.catalog.engine

    def note(_connection, _cursor, statement, *_):
        if "jobs.params" in statement:
            read.append(statement)

    monkeypatch.setattr("zoo.operations.sweep.BATCH", 1)
    event.listen(engine, "before_cursor_execute", note)
    swept = sweep(later)
    event.remove(engine, "before_cursor_execute", note)
    assert set(swept.blobs) == {blob.digest for blob in orphans}
    assert len(read) == 1


def test_a_job_that_comes_or_ends_between_two_looks_is_seen(zoo):
    blob, other = put_text(zoo, "waits"), put_text(zoo, "other")
    asked, jobs = {blob.digest, other.digest}, garbage.JobsHold()

    def held():
        with zoo.catalog.reading() as db:
            return jobs.find(db, asked)

    assert held() == set()
    job = enqueue(zoo, JobKind.IMPORT, {"draft": blob.digest})
    assert held() == {blob.digest}
    enqueue(zoo, JobKind.IMPORT, {"draft": other.digest})
    cancel(zoo, job.id)
    assert held() == {other.digest}


def test_young_bytes_stay(tmp_path):
    with open_zoo(read_settings(home=tmp_path / "home", grace_s=1000)) as zoo:
        orphan = put_text(zoo, "orphan")
        assert sweep(zoo).blobs == ()
        path = zoo.blobs.local_path(orphan.digest)
        os.utime(path, (0, 0))
        assert sweep(zoo, is_dry=True).blobs == (orphan.digest,)
        put_text(zoo, "orphan")
        assert sweep(zoo).blobs == ()


def test_a_recent_upload_stays_however_old_its_bytes_are(tmp_path):
    with open_zoo(read_settings(home=tmp_path / "home", grace_s=1000)) as zoo:
        create_model(zoo, "net")
        sent = keep_content(zoo, "net", b"sent")
        os.utime(zoo.blobs.local_path(sent.digest), (0, 0))
        assert sweep(zoo).blobs == ()
        commit(zoo, Change(model="net", message="x", added={"a": sent}))
        assert scrub(zoo) == []


def test_a_deleted_model_can_be_taken_back_until_it_is_swept(zoo, later):
    make(zoo)
    add_ref(zoo, "net", "v1", kind=RefKind.TAG)
    other = make(zoo, "other")
    delete_model(zoo, "net")
    assert sweep(later, is_dry=True).models == ("net",)
    restore_model(zoo, "net")
    assert sweep(later).models == ()
    delete_model(zoo, "net")
    swept = sweep(later)
    assert (swept.models, len(swept.blobs)) == (("net",), 1)
    with pytest.raises(ModelNotFound):
        restore_model(zoo, "net")
    assert kept(zoo) == {file.digest for file in other.files}
    assert create_model(zoo, "net").head.files == ()


def test_a_model_that_is_taken_back_during_a_sweep_is_not_told_as_purged(zoo, later, monkeypatch):
    for name in ("back", "again", "gone"):
        make(zoo, name)
        delete_model(zoo, name)
    real = garbage.list_expired

    def list_then_restore(db, **given):
        found = real(db, **given)
        with zoo.catalog.writing() as other:
            lifecycle.restore_model(other, "back")
            lifecycle.restore_model(other, "again")
            lifecycle.delete_model(other, "again", now=given["before"] + timedelta(seconds=1))
        return found

    monkeypatch.setattr(garbage, "list_expired", list_then_restore)
    assert sweep(later).models == ("gone",)
    purged = [entry.subject for entry in list_audit(zoo) if entry.action == "model.purge"]
    assert purged == ["gone"]
    restore_model(zoo, "again")
    assert get_model(zoo, "back").head is not None


def test_bytes_that_another_model_shares_stay(zoo, later):
    make(zoo, "net", a="shared")
    make(zoo, "other", a="shared")
    delete_model(zoo, "net")
    assert sweep(later).blobs == ()
    assert get_model(zoo, "other").head is not None
    assert scrub(zoo) == []


def test_only_those_sweep_who_look_after_the_zoo(zoo):
    ada = replace(zoo, caller=Caller(account="ada", roles={"ada": Role.ADMIN}))
    for act in (sweep, scrub):
        with pytest.raises(Forbidden):
            act(ada)


def test_sweeps_against_commits_never_take_what_a_commit_names(zoo, later):
    create_model(zoo, "net")
    stop, swept, published = threading.Event(), [], []

    def sweep_on():
        while not stop.is_set():
            swept.append(sweep(later))

    sweeper = threading.Thread(target=sweep_on)
    sweeper.start()
    try:
        for number in range(40):
            try:
                blob = keep_content(zoo, "net", b"%d" % number)
                commit(zoo, Change(model="net", message="x", added={f"{number}": blob}))
            except Conflict:
                continue  # It was swept before it was named, and nothing was published.
            else:
                published.append(f"{number}")
    finally:
        stop.set()
        sweeper.join()
    assert swept
    assert {file.path for file in get_revision(zoo, "net").files} == set(published)
    assert scrub(zoo) == []


def test_bytes_that_a_sweep_took_before_they_were_written_down_are_not_acknowledged(
    zoo, later, monkeypatch
):
    create_model(zoo, "net")
    real = zoo.catalog.writing

    def sweep_first():
        monkeypatch.setattr(zoo.catalog, "writing", real)
        assert sweep(later).blobs
        return real()

    monkeypatch.setattr(zoo.catalog, "writing", sweep_first)
    with pytest.raises(Conflict, match="sweep"):
        keep_content(zoo, "net", b"sent")
    monkeypatch.setattr(zoo.catalog, "writing", real)
    assert find_proven(zoo, "net", [hashlib.sha256(b"sent").hexdigest()]) == {}


def test_bytes_that_are_put_again_while_a_sweep_looks_at_them_stay(tmp_path, monkeypatch):
    with open_zoo(read_settings(home=tmp_path / "home", grace_s=1000)) as zoo:
        blob = put_text(zoo, "again")
        os.utime(zoo.blobs.local_path(blob.digest), (0, 0))
        real = zoo.blobs.is_older
        looks = []

        def put_after_the_first_look(digest, age_s):
            looks.append(real(digest, age_s))
            if len(looks) == 1:
                put_text(zoo, "again")
            return looks[-1]

        monkeypatch.setattr(zoo.blobs, "is_older", put_after_the_first_look)
        assert sweep(zoo).blobs == ()
        assert looks == [True, False]
        assert zoo.blobs.has(blob.digest)


def damage(zoo, digest, how):
    path = zoo.blobs.local_path(digest)
    path.chmod(0o644)
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes({"flipped": bytes([data[0] ^ 1]) + data[1:], "cut": data[:-1]}[how])


@pytest.mark.parametrize("how", ["flipped", "cut", "gone"])
def test_damage_is_found_set_aside_and_mended(zoo, tmp_path, how):
    revision = make(zoo, a="some text", b="other text")
    digest = revision.find_file("a").digest
    backup = tmp_path / "backup" / "whatever.txt"
    backup.parent.mkdir()
    backup.write_text("some text")
    (backup.parent / "another").write_text("unrelated")
    damage(zoo, digest, how)
    (fault,) = scrub(zoo)
    assert fault.subject == digest
    assert fault.used_by == (f"a of net@{revision.id}",)
    assert not repair(zoo, [tmp_path / "backup" / "another"]).repaired
    assert not zoo.blobs.has(digest)
    done = repair(zoo, [backup.parent])
    assert (done.repaired, done.missing) == (((digest, str(backup)),), ())
    assert scrub(zoo) == []


def test_every_revision_is_looked_at_however_many_there_are(zoo, monkeypatch):
    monkeypatch.setattr(garbage, "BATCH", 2)
    made = [make(zoo, f"net{number}") for number in range(5)]
    with zoo.catalog.reading() as db:
        found = list(garbage.list_all_revisions(db))
        assert not list(db.identity_map.values())  # No rows pile up.
    assert {one.address for one in found} == {one.address for one in made}


def test_what_is_set_aside_is_audited(zoo):
    (file,) = make(zoo).files
    damage(zoo, file.digest, "flipped")
    scrub(zoo)
    assert zoo.blobs.has(file.digest)
    scrub(zoo, quarantines=True)
    assert not zoo.blobs.has(file.digest)
    (entry,) = [one for one in list_audit(zoo) if one.action == "blob.quarantine"]
    assert entry.subject == file.digest
    assert "its bytes have sha256" in entry.detail["reason"]
    scrub(zoo, quarantines=True)
    assert len([one for one in list_audit(zoo) if one.action == "blob.quarantine"]) == 1


def test_bytes_that_are_put_back_while_they_are_read_stay(zoo, monkeypatch):
    (file,) = make(zoo, a="text").files
    damage(zoo, file.digest, "flipped")
    real = zoo.blobs.read

    def read_then_put(digest):
        yield from real(digest)
        monkeypatch.setattr(zoo.blobs, "read", real)
        zoo.blobs.quarantine(digest)
        put_text(zoo, "text")

    monkeypatch.setattr(zoo.blobs, "read", read_then_put)
    assert scrub(zoo, quarantines=True) == []
    assert zoo.blobs.has(file.digest)
    assert scrub(zoo) == []


def test_a_revision_whose_rows_were_changed_is_found(zoo):
    revision = make(zoo)
    with zoo.catalog.writing() as db:
        db.connection().exec_driver_sql("UPDATE files SET path = 'moved'")
    (fault,) = scrub(zoo)
    assert fault.subject == revision.address


def test_repair_says_when_a_path_is_not_there(zoo, tmp_path):
    damage(zoo, make(zoo).files[0].digest, "gone")
    with pytest.raises(PathNotFound):
        repair(zoo, [tmp_path / "nothing"])


def test_leftovers_of_uploads_go_with_time(zoo, later):
    folder = _folder(zoo)
    folder.mkdir(parents=True)
    (folder / "x.xorb").write_bytes(b"x")
    (folder / "x.json").write_text(json.dumps([]))
    parts = zoo.settings.home / "cache" / "parts" / "local" / "upload"
    parts.mkdir(parents=True)
    (parts / "1-aa").write_bytes(b"x")
    for path in (*folder.iterdir(), parts):
        os.utime(path, (0, 0))
    sweep(later, is_dry=True)
    assert len(list(folder.iterdir())) == 2
    sweep(later)
    assert [path.name for path in folder.iterdir()] == ["x.json"]
    assert not parts.exists()
