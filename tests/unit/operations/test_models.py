"""Models are made, renamed, hidden, deleted and taken back, by those who may."""

from dataclasses import replace

import pytest

from zoo.domain.access import Caller, Role
from zoo.domain.job import JobKind
from zoo.domain.revision import File, RefKind, revision_id
from zoo.errors import (
    BadName,
    Conflict,
    Forbidden,
    ModelExists,
    ModelNotFound,
    RefExists,
    RevisionNotFound,
    StillNeeded,
)
from zoo.operations import jobs
from zoo.operations.access import check_target, list_audit
from zoo.operations.accounts import create_token
from zoo.operations.fetch import (
    get_model,
    get_revision,
    list_models,
    list_moves,
    list_revisions,
)
from zoo.operations.models import (
    change_model,
    create_model,
    delete_model,
    rename_model,
    restore_model,
    set_private,
)
from zoo.operations.publish import Publication, publish, put_text
from zoo.operations.refs import (
    add_ref,
    delete_ref,
    list_history,
    list_refs,
    move_alias,
    protect_ref,
)
from zoo.operations.upload import Upload, upload_revision
from zoo.operations.uploads import Manifest, continue_upload, publish_manifest

ADA = Caller(account="ada", roles={"ada": Role.ADMIN})
EVE = Caller(account="eve", roles={"eve": Role.ADMIN})
WRITER = Caller(account="bob", roles={"ada": Role.WRITE})


@pytest.fixture
def net(zoo):
    """A model with two revisions: the ids."""
    return [
        publish(
            zoo, Publication(model="ada/net", files={"a": put_text(zoo, text)}, message=text)
        ).id
        for text in ("first", "second")
    ]


def names(zoo):
    return [model.name for model in list_models(zoo)]


def test_a_model_is_made_once(zoo):
    assert create_model(zoo, "ada/new", is_private=True).is_private
    with pytest.raises(ModelExists):
        create_model(zoo, "ada/new")


@pytest.mark.parametrize("name", ["v1/x", "api/x", "a/resolve", "a/tree", "a/b/c", "a b", ".."])
def test_names_that_mean_something_else_are_refused(zoo, name):
    with pytest.raises(BadName):
        create_model(zoo, name)


def test_a_renamed_model_is_found_under_both_names(zoo, net):
    rename_model(zoo, "ada/net", "lab/better")
    assert names(zoo) == ["lab/better"]
    assert get_model(zoo, "ada/net").name == "lab/better"
    assert get_revision(zoo, f"ada/net@{net[0]}").model == "lab/better"
    rename_model(zoo, "lab/better", "ada/net")
    assert get_model(zoo, "lab/better").name == "ada/net"


def test_a_name_that_was_left_may_be_given_again(zoo, net):
    rename_model(zoo, "ada/net", "ada/old")
    create_model(zoo, "ada/net")
    assert get_model(zoo, "ada/net").head.files == ()
    assert get_model(zoo, "ada/old").head.id == net[1]
    with pytest.raises(ModelExists):
        rename_model(zoo, "ada/old", "ada/net")


@pytest.mark.parametrize("way", ["publish", "upload", "manifest"])
def test_what_is_published_under_a_name_that_was_left_goes_where_the_name_leads(zoo, way):
    ada = replace(zoo, caller=ADA)
    create_model(ada, "ada/secret", is_private=True)
    rename_model(ada, "ada/secret", "ada/hidden")
    data = b"w"
    blob = zoo.blobs.put([data])
    if way == "publish":
        publish(ada, Publication(model="ada/secret", files={"w": blob}, message=""))
    elif way == "upload":
        upload_revision(ada, "ada/secret", [Upload(path="w", chunks=[data])], message="")
    else:
        continue_upload(ada, "ada/secret", blob.digest, [data], offset=0, size_bytes=1)
        files = [File(path="w", digest=blob.digest, size_bytes=1)]
        publish_manifest(
            ada,
            Manifest(
                model="ada/secret", id=revision_id(files), files={"w": blob.digest}, message=""
            ),
        )
    assert names(zoo) == ["ada/hidden"]
    assert names(replace(zoo, caller=EVE)) == []
    assert get_model(ada, "ada/secret").head.find_file("w") is not None


def test_a_name_that_was_left_gives_no_right_to_write_the_model_of_another_owner(zoo, net):
    rename_model(zoo, "ada/net", "lab/net")
    ada = replace(zoo, caller=ADA)
    again = Publication(model="ada/net", files={"a": put_text(zoo, "mine")}, message="")
    with pytest.raises(Forbidden):
        publish(ada, again)
    set_private(zoo, "lab/net", is_private=True)
    with pytest.raises(ModelNotFound):
        publish(ada, again)
    with pytest.raises(Forbidden):  # as for a name that leads nowhere
        publish(replace(zoo, caller=EVE), again)
    assert get_model(zoo, "ada/net").head.id == net[1]
    lab = Caller(account="lab", roles={"lab": Role.ADMIN})
    assert publish(replace(zoo, caller=lab), again).model == "lab/net"


@pytest.mark.usefixtures("net")
def test_a_job_publishes_where_a_name_leads_if_whoever_asked_for_it_may(zoo):
    ada = replace(zoo, caller=ADA)
    create_token(zoo, "ada")
    attempts = []
    for worker in "12":
        job = jobs.enqueue(ada, JobKind.IMPORT, {"model": "ada/net", "worker": worker})
        attempts.append(jobs.claim(zoo, worker=worker, number=job.id))
    made = Publication(model="ada/net", files={"a": put_text(zoo, "made")}, message="")
    rename_model(zoo, "ada/net", "ada/better")
    assert publish(zoo, replace(made, attempt=attempts[0])).model == "ada/better"
    rename_model(zoo, "ada/better", "lab/net")
    with pytest.raises(Forbidden):
        publish(zoo, replace(made, attempt=attempts[1]))


@pytest.mark.usefixtures("net")
def test_a_name_that_leads_to_a_deleted_model_is_given_again_by_making_one_only(zoo):
    rename_model(zoo, "ada/net", "ada/old")
    delete_model(zoo, "ada/old")
    with pytest.raises(ModelExists, match="deleted"):
        publish(zoo, Publication(model="ada/net", files={}, message=""))
    create_model(zoo, "ada/net")
    restore_model(zoo, "ada/old")
    assert names(zoo) == ["ada/net", "ada/old"]


@pytest.mark.usefixtures("net")
def test_a_model_is_not_renamed_to_the_twin_of_another(zoo):
    create_model(zoo, "ada/other")
    with pytest.raises(ModelExists):
        rename_model(zoo, "ada/other", "ada/Net")
    assert rename_model(zoo, "ada/other", "ada/Other").name == "ada/Other"


@pytest.mark.usefixtures("net")
def test_all_that_is_to_become_of_a_model_is_done_or_nothing(zoo):
    create_model(zoo, "ada/taken")
    with pytest.raises(ModelExists):
        change_model(zoo, "ada/net", is_private=True, new_name="ada/taken")
    assert not get_model(zoo, "ada/net").is_private
    delete_model(zoo, "ada/net")
    with pytest.raises(ModelExists):
        change_model(zoo, "ada/net", is_restored=True, new_name="ada/taken")
    assert names(zoo) == ["ada/taken"]
    found = change_model(zoo, "ada/net", is_restored=True, is_private=True, new_name="ada/better")
    assert (found.name, found.is_private) == ("ada/better", True)
    assert [one.action for one in list_audit(zoo, limit=3)] == [
        "model.rename",
        "model.visibility",
        "model.restore",
    ]


def test_a_private_model_that_one_was_made_of_is_told_to_nobody_else(zoo):
    files = {"a": put_text(zoo, "a")}
    secret = publish(zoo, Publication(model="lab/secret", files=files, message="", is_private=True))
    child = Publication(
        model="eve/child", files=files, message="", parent=secret.address, is_private=False
    )
    assert publish(zoo, child).parent == secret.address
    eve = replace(zoo, caller=EVE)
    sent = [Upload(path="a", chunks=[b"a"])]
    told = [
        add_ref(eve, "eve/child", "v1", kind=RefKind.TAG),
        move_alias(eve, "eve/child", "production", target="main"),
        upload_revision(eve, "eve/child", sent, message="").revision,
        *list_history(eve, "eve/child", "main", limit=9),
        set_private(eve, "eve/child", is_private=True).head,
        rename_model(eve, "eve/child", "eve/kept").head,
    ]
    delete_ref(eve, "eve/kept", "production")
    told += [delete_model(eve, "eve/kept").head, restore_model(eve, "eve/kept").head]
    assert [revision.parent for revision in told] == [None] * 8
    assert get_revision(zoo, "eve/kept").parent == secret.address


def test_private_models_of_others_that_one_is_needed_for_are_counted_and_not_named(zoo):
    parent = publish(zoo, Publication(model="eve/net", files={"a": put_text(zoo, "a")}, message=""))
    for name, is_private in (("lab/open", False), ("lab/unreleased", True), ("eve/own", True)):
        publish(
            zoo,
            Publication(
                model=name,
                files={"a": put_text(zoo, name)},
                message="",
                parent=parent.address,
                is_private=is_private,
            ),
        )
    with pytest.raises(StillNeeded, match="eve/own, lab/open, 1 that you may not see") as refusal:
        delete_model(replace(zoo, caller=EVE), "eve/net")
    assert refusal.value.detail["children"] == ["eve/own", "lab/open"]
    with pytest.raises(StillNeeded, match=r"eve/own, lab/open, lab/unreleased\."):
        delete_model(zoo, "eve/net")


def test_what_is_made_of_a_private_model_goes_into_no_public_one(zoo):
    def make(name, text, **more):
        files = {"a": put_text(zoo, text)}
        return publish(zoo, Publication(model=name, files=files, message="", **more))

    secret = make("lab/secret", "secret", is_private=True)
    make("lab/open", "open")
    with pytest.raises(Forbidden, match="public"):
        make("lab/open", "made", parent=secret.address)
    with pytest.raises(Forbidden, match="public"):
        check_target(zoo, "lab/open", parent=secret.address)
    assert len(list_revisions(zoo, "lab/open")) == 1
    make("lab/new", "made", parent=secret.address)
    assert get_model(zoo, "lab/new").is_private
    make("lab/secret", "more", parent=secret.address)
    # Whoever shows one by a decision of its own may go on with it.
    set_private(zoo, "lab/new", is_private=False)
    make("lab/new", "further", parent=secret.address)
    set_private(zoo, "lab/open", is_private=True)
    make("lab/open", "made", parent=secret.address)


def test_a_private_model_is_not_found_by_a_name_it_had_under_another_owner(zoo, net):
    del net
    rename_model(zoo, "ada/net", "eve/net")
    rename_model(zoo, "eve/net", "lab/net")
    set_private(zoo, "lab/net", is_private=True)
    eve = replace(zoo, caller=EVE)
    for name in ("lab/net", "eve/net", "ada/net"):
        with pytest.raises(ModelNotFound):
            get_model(eve, name)


def test_a_deleted_model_is_gone_and_comes_back_as_it_was(zoo, net):
    add_ref(zoo, "ada/net", "v1", target=net[0], kind=RefKind.TAG)
    before = get_model(zoo, "ada/net")
    delete_model(zoo, "ada/net")
    assert names(zoo) == []
    for look in (lambda: get_model(zoo, "ada/net"), lambda: get_revision(zoo, "ada/net")):
        with pytest.raises(ModelNotFound):
            look()
    with pytest.raises(ModelExists, match="deleted"):
        create_model(zoo, "ada/net")
    restore_model(zoo, "ada/net")
    assert get_model(zoo, "ada/net") == before
    with pytest.raises(ModelNotFound):
        restore_model(zoo, "ada/net")


def test_a_model_that_others_are_made_of_is_not_deleted(zoo, net):
    child = Publication(
        model="child", files={"a": put_text(zoo, "c")}, message="c", parent=f"ada/net@{net[0]}"
    )
    publish(zoo, child)
    with pytest.raises(StillNeeded, match="child"):
        delete_model(zoo, "ada/net")
    delete_model(zoo, "child")
    delete_model(zoo, "ada/net")


@pytest.mark.usefixtures("net")
def test_a_model_with_an_alias_or_a_protected_ref_is_not_deleted(zoo):
    move_alias(zoo, "ada/net", "production", target="main")
    with pytest.raises(StillNeeded, match="production"):
        delete_model(zoo, "ada/net")
    delete_ref(zoo, "ada/net", "production")
    protect_ref(zoo, "ada/net", "main", is_protected=True)
    with pytest.raises(StillNeeded, match="main"):
        delete_model(zoo, "ada/net")
    protect_ref(zoo, "ada/net", "main", is_protected=False)
    delete_model(zoo, "ada/net")


@pytest.mark.usefixtures("net")
def test_only_admins_of_the_owner_decide_what_becomes_of_a_model(zoo):
    for caller in (EVE, WRITER):
        other = replace(zoo, caller=caller)
        for act in (
            lambda other=other: delete_model(other, "ada/net"),
            lambda other=other: rename_model(other, "ada/net", "eve/net"),
            lambda other=other: set_private(other, "ada/net", is_private=True),
            lambda other=other: protect_ref(other, "ada/net", "main", is_protected=True),
        ):
            with pytest.raises(Forbidden):
                act()


def test_tags_stay_and_aliases_move(zoo, net):
    add_ref(zoo, "ada/net", "v1", target=net[0], kind=RefKind.TAG)
    with pytest.raises(RefExists):
        add_ref(zoo, "ada/net", "v1", target=net[1], kind=RefKind.TAG)
    for name in ("v1", "main"):
        with pytest.raises(Conflict):
            move_alias(zoo, "ada/net", name, target=net[0])
    move_alias(zoo, "ada/net", "production", target="v1")
    move_alias(zoo, "ada/net", "production", target=net[1], expected=net[0])
    with pytest.raises(Conflict):
        move_alias(zoo, "ada/net", "production", target=net[0], expected=net[0])
    found = {ref.name: (ref.kind, ref.revision) for ref in list_refs(zoo, "ada/net")}
    assert found == {
        "main": (RefKind.BRANCH, net[1]),
        "production": (RefKind.ALIAS, net[1]),
        "v1": (RefKind.TAG, net[0]),
    }
    assert [move.new for move in list_moves(zoo, "ada/net")][:2] == [net[1], net[0]]


def test_a_deleted_ref_leaves_its_history(zoo, net):
    move_alias(zoo, "ada/net", "production", target=net[0])
    delete_ref(zoo, "ada/net", "production")
    assert list_moves(zoo, "ada/net")[0].old == net[0]
    assert list_moves(zoo, "ada/net")[0].new is None
    with pytest.raises(RevisionNotFound):
        delete_ref(zoo, "ada/net", "production")
    with pytest.raises(BadName):
        delete_ref(zoo, "ada/net", "main")


@pytest.mark.usefixtures("net")
def test_a_protected_alias_is_moved_by_admins_only(zoo):
    move_alias(zoo, "ada/net", "production", target="main")
    protect_ref(zoo, "ada/net", "production", is_protected=True)
    writer = replace(zoo, caller=WRITER)
    for act in (
        lambda: move_alias(writer, "ada/net", "production", target="main"),
        lambda: delete_ref(writer, "ada/net", "production"),
    ):
        with pytest.raises(Forbidden):
            act()
    move_alias(writer, "ada/net", "staging", target="main")


@pytest.mark.usefixtures("net")
def test_a_protected_tag_is_not_moved_by_publishing_either(zoo):
    add_ref(zoo, "ada/net", "v1", kind=RefKind.TAG)
    protect_ref(zoo, "ada/net", "v1", is_protected=True)
    writer = replace(zoo, caller=WRITER)
    files = {"a": put_text(zoo, "third")}
    with pytest.raises(Forbidden):
        publish(writer, Publication(model="ada/net", files=files, message="x", tag="v1"))
    assert publish(zoo, Publication(model="ada/net", files=files, message="x", tag="v1"))
