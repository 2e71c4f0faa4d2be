"""Commits: what is sent and deleted on top of a branch, by those who may, losing nothing."""

import threading
from dataclasses import replace

import pytest

from zoo.domain.access import ANONYMOUS, Caller, Role
from zoo.domain.revision import MAIN, Blob, RefKind
from zoo.errors import (
    BadName,
    Conflict,
    DigestMismatch,
    Forbidden,
    ModelNotFound,
    RefMoved,
    RevisionNotFound,
)
from zoo.operations.commit import Change, commit, find_proven, keep_content, keep_upload
from zoo.operations.fetch import get_revision, list_revisions
from zoo.operations.models import create_model, set_private
from zoo.operations.publish import Publication, publish, put_text
from zoo.operations.refs import add_ref, protect_ref

ADA = Caller(account="ada", roles={"ada": Role.ADMIN})
BOB = Caller(account="bob", roles={"bob": Role.ADMIN, "ada": Role.WRITE})
EVE = Caller(account="eve", roles={"eve": Role.ADMIN})


@pytest.fixture
def sent(zoo):
    """The zoo as ada, with her model ada/net."""
    as_ada = replace(zoo, caller=ADA)
    create_model(as_ada, "ada/net")
    return as_ada


def send(zoo, text, *, model="ada/net"):
    return keep_content(zoo, model, text.encode())


def change(added=None, *, zoo, **more):
    blobs = {path: send(zoo, text) for path, text in (added or {}).items()}
    return commit(zoo, Change(model="ada/net", message="a change", added=blobs, **more))


def paths(revision):
    return [file.path for file in revision.files]


def test_a_new_model_has_a_revision_without_files(sent):
    head = get_revision(sent, "ada/net")
    assert (head.files, head.message) == ((), "initial commit")


def test_files_are_added_replaced_and_deleted(sent):
    first = change({"a": "1", "b/c": "2", "b/d": "3"}, zoo=sent)
    assert paths(first) == ["a", "b/c", "b/d"]
    second = change({"a": "other"}, zoo=sent, deleted=("b/",))
    assert paths(second) == ["a"]
    assert second.previous == first.id
    assert paths(change(zoo=sent, deleted=("a", "nothing"))) == []


def test_a_change_that_changes_nothing_is_no_revision(sent):
    first = change({"a": "1"}, zoo=sent)
    assert change({"a": "1"}, zoo=sent, deleted=("nothing",)) == first
    assert len(list_revisions(sent, "ada/net")) == 2


def test_a_change_on_an_old_parent_is_refused_and_changes_nothing(sent):
    first = change({"a": "1"}, zoo=sent)
    second = change({"a": "2"}, zoo=sent)
    with pytest.raises(RefMoved):
        change({"b": "3"}, zoo=sent, on_top_of=first.id)
    assert get_revision(sent, "ada/net") == second
    assert paths(change({"b": "3"}, zoo=sent, on_top_of=second.id)) == ["a", "b"]


def test_of_many_who_change_a_branch_at_once_nothing_is_lost(sent):
    names = [f"file-{number}" for number in range(8)]
    blobs = {name: send(sent, name) for name in names}
    threads = [
        threading.Thread(
            target=commit,
            args=(sent, Change(model="ada/net", message=name, added={name: blobs[name]})),
        )
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths(get_revision(sent, "ada/net")) == names


def test_of_two_on_one_parent_one_is_refused(sent):
    parent = get_revision(sent, "ada/net").id
    blobs = [send(sent, name) for name in "ab"]
    outcomes = []

    def run(number):
        added = {f"{number}": blobs[number]}
        try:
            commit(sent, Change(model="ada/net", message="x", added=added, on_top_of=parent))
        except RefMoved:
            outcomes.append("refused")
        else:
            outcomes.append("done")

    threads = [threading.Thread(target=run, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done", "refused"]
    assert len(get_revision(sent, "ada/net").files) == 1


@pytest.mark.parametrize("path", ["../x", "/x", "a//b", "a/./b", "C:/x", "a\\b", "x\n", "", "a/.."])
def test_a_path_that_leaves_the_revision_is_refused(sent, path):
    with pytest.raises(BadName):
        change({path: "x"}, zoo=sent)
    assert get_revision(sent, "ada/net").files == ()


def test_bytes_that_are_not_there_are_refused(sent):
    gone = send(sent, "x")
    sent.blobs.delete(gone.digest)
    with pytest.raises(Conflict):
        commit(sent, Change(model="ada/net", message="x", added={"a": gone}))


def test_commits_go_to_branches_only(sent):
    for kind in (RefKind.TAG, RefKind.ALIAS):
        add_ref(sent, "ada/net", kind.value, kind=kind)
        with pytest.raises(Conflict):
            change({"a": "1"}, zoo=sent, ref=kind.value)
    with pytest.raises(RevisionNotFound):
        change({"a": "1"}, zoo=sent, ref="nothing")


def test_a_protected_branch_is_moved_by_admins_only(zoo, sent):
    protect_ref(sent, "ada/net", MAIN, is_protected=True)
    bob = replace(zoo, caller=BOB)
    with pytest.raises(Forbidden):
        change({"a": "1"}, zoo=bob)
    assert paths(change({"a": "1"}, zoo=sent)) == ["a"]


@pytest.mark.parametrize(
    ("caller", "is_private", "error"),
    [
        (EVE, False, Forbidden),
        (EVE, True, ModelNotFound),
        (ANONYMOUS, False, Forbidden),
        (ANONYMOUS, True, ModelNotFound),
    ],
)
def test_others_change_nothing(zoo, sent, caller, is_private, error):
    set_private(sent, "ada/net", is_private=is_private)
    with pytest.raises(error):
        change({"a": "1"}, zoo=replace(zoo, caller=caller))


def test_bytes_are_proven_by_sending_them_for_the_model_or_by_reading_them_elsewhere(zoo, sent):
    change({"a": "1"}, zoo=sent)
    secret = send(sent, "secret")
    set_private(sent, "ada/net", is_private=True)
    digest = get_revision(sent, "ada/net").files[0].digest
    eve, bob = replace(zoo, caller=EVE), replace(zoo, caller=BOB)
    for asked in (digest, secret.digest):
        assert find_proven(eve, "eve/net", [asked]) == {}
    assert find_proven(bob, "bob/net", [digest]).keys() == {digest}
    assert find_proven(bob, "bob/net", [secret.digest]) == {}
    set_private(sent, "ada/net", is_private=False)
    assert find_proven(eve, "eve/net", [digest]).keys() == {digest}
    send(eve, "secret", model="eve/net")
    assert find_proven(eve, "eve/net", [secret.digest]).keys() == {secret.digest}
    assert find_proven(eve, "eve/other", [secret.digest]) == {}


def test_bytes_with_another_digest_are_refused_and_prove_nothing(sent):
    wanted = send(sent, "right").digest
    with pytest.raises(DigestMismatch):
        keep_upload(sent, "ada/net", [b"wrong"], announced=Blob(digest="0" * 64, size_bytes=5))
    assert find_proven(sent, "ada/net", ["0" * 64, wanted]).keys() == {wanted}


def test_what_was_derived_from_a_network_does_not_outlive_it(zoo):
    texts = {"model.safetensors": "w", "config.json": "c", "model.onnx": "g", "parity.json": "p"}
    files = {path: put_text(zoo, text) for path, text in texts.items()}
    publish(zoo, Publication(model="net", files=files, message="made", summary={"runs": "cnn"}))
    kept = commit(
        zoo, Change(model="net", message="card", added={"README.md": put_text(zoo, "hi")})
    )
    assert paths(kept) == sorted([*texts, "README.md"])
    assert kept.summary == {"runs": "cnn"}
    other = commit(
        zoo, Change(model="net", message="w", added={"model.safetensors": put_text(zoo, "v")})
    )
    assert paths(other) == ["README.md", "config.json", "model.safetensors"]
    assert other.summary == {}


def test_a_graph_that_came_by_itself_stays(zoo):
    texts = {"model.safetensors": "w", "model.onnx": "g"}
    files = {path: put_text(zoo, text) for path, text in texts.items()}
    publish(zoo, Publication(model="net", files=files, message="made"))
    other = commit(
        zoo, Change(model="net", message="w", added={"model.safetensors": put_text(zoo, "v")})
    )
    assert paths(other) == ["model.onnx", "model.safetensors"]
