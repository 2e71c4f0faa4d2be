"""Models are made, renamed, hidden, deleted and taken back, by those who may."""

from dataclasses import replace

import pytest

from zoo.domain.access import Caller, Role
from zoo.domain.revision import RefKind
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
from zoo.operations.fetch import get_model, get_revision, list_models, list_moves
from zoo.operations.models import (
    create_model,
    delete_model,
    rename_model,
    restore_model,
    set_private,
)
from zoo.operations.publish import Publication, publish, put_text
from zoo.operations.refs import add_ref, delete_ref, list_refs, move_alias, protect_ref

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
