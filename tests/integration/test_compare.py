"""Two revisions are compared tensor by tensor, and the tree tells what came of what."""

from dataclasses import replace

import numpy as np
import pytest

from zoo.domain.access import Caller, Role
from zoo.domain.comparison import Change, TensorPrint
from zoo.domain.config import WEIGHTS
from zoo.errors import ModelNotFound, RevisionNotFound
from zoo.formats.safetensors import write_safetensors
from zoo.operations.compare import compare, compare_prints
from zoo.operations.lineage import get_lineage
from zoo.operations.opening import open_zoo
from zoo.operations.prints import find_prints
from zoo.operations.publish import Publication, publish, put_json, put_text
from zoo.settings import read_settings

RANDOM = np.random.default_rng(4)
FIRST = {
    "conv1.weight": RANDOM.normal(size=(4, 3, 3, 3)).astype(np.float32),
    "conv1.bias": np.zeros(4, np.float32),
    "fc.weight": RANDOM.normal(size=(5, 36)).astype(np.float32),
    "old.weight": RANDOM.normal(size=(2, 2)).astype(np.float32),
    "gone.weight": np.ones((3,), np.float32),
    "head.weight": np.ones((2, 7), np.float32),
}
SECOND = {
    "conv1.weight": FIRST["conv1.weight"] * np.float32(1.5),
    "conv1.bias": FIRST["conv1.bias"],
    "fc.weight": FIRST["fc.weight"].reshape(5, 4, 3, 3),
    "new.weight": FIRST["old.weight"],
    "head.weight": np.ones((3, 7), np.float32),
    "extra.weight": np.full((1, 1), 7, np.float32),
}


def put(zoo, model, weights=None, *, parent=None, private=None, **files):
    blobs = {name: put_text(zoo, text) for name, text in files.items()}
    if weights is not None:
        blobs[WEIGHTS] = zoo.blobs.put(write_safetensors(weights))
    publication = Publication(
        model=model,
        files=blobs,
        message=f"for {model}",
        parent=parent,
        is_private=private,
        summary={"accuracy": {"value": 0.5}, "kind": model},
    )
    return publish(zoo, publication).address


@pytest.fixture
def two(zoo):
    return put(zoo, "ada/one", FIRST, a="x", b="y"), put(zoo, "ada/two", SECOND, a="x", b="z")


def test_every_tensor_is_judged_and_measured(zoo, two):
    found = {one.name: one for one in compare(zoo, *two).tensors}
    assert {name: one.change for name, one in found.items()} == {
        "conv1.weight": Change.CHANGED,
        "conv1.bias": Change.SAME,
        "fc.weight": Change.RESHAPED,
        "new.weight": Change.RENAMED,
        "head.weight": Change.RESIZED,
        "extra.weight": Change.ADDED,
        "gone.weight": Change.REMOVED,
    }
    assert found["conv1.weight"].relative == pytest.approx(0.5, rel=1e-6)
    assert found["conv1.weight"].changed_share == 1
    assert found["fc.weight"].relative == 0
    assert found["new.weight"].old_name == "old.weight"
    assert found["head.weight"].relative is None


def test_a_revision_does_not_differ_from_itself(zoo, two):
    found = compare(zoo, two[0], two[0])
    assert found.changed == 0
    assert not found.files
    assert not found.values
    assert len(found.tensors) == len(FIRST)


def test_files_and_values_that_differ_are_told(zoo, two):
    found = compare(zoo, *two)
    assert {one.path: one.change for one in found.files} == {
        "b": Change.CHANGED,
        WEIGHTS: Change.CHANGED,
    }
    assert [(one.key, one.old, one.new) for one in found.values] == [
        ("summary.kind", "ada/one", "ada/two")
    ]


def test_without_weights_the_rest_is_compared(zoo, two):
    bare = put(zoo, "ada/bare", config="x")
    assert compare(zoo, bare, two[0]).tensors is None
    assert len(compare(zoo, bare, two[0]).files) == 4


def test_nested_settings_are_compared_by_their_paths(zoo):
    def publish_config(model, value):
        blob = put_json(zoo, {"pretrained_cfg": {"mean": value, "std": [1]}})
        publication = Publication(model=model, files={"config.json": blob}, message="")
        return publish(zoo, publication).address

    found = compare(zoo, publish_config("a", [0]), publish_config("b", [104]))
    assert [(one.key, one.old, one.new) for one in found.values] == [
        ("config.pretrained_cfg.mean", [0], [104])
    ]


def test_digests_are_kept_and_what_was_kept_is_not_trusted(zoo, two):
    compare(zoo, *two)
    digest = zoo.blobs.put(write_safetensors(FIRST)).digest
    path = zoo.settings.home / "cache" / "tensors" / f"{digest}.json"
    assert find_prints(zoo, digest).keys() == FIRST.keys()
    for damage in ("", "{", '{"version": 1, "tensors": {"conv1.bias": 3}}', '{"version": 0}'):
        path.write_text(damage)
        assert len(compare(zoo, *two).tensors) == 7
    assert find_prints(zoo, digest).keys() == FIRST.keys()


def test_equal_bits_are_one_renaming_each():
    same = TensorPrint(kind="float32", shape=(2,), digest="d")
    changes = compare_prints({"a": same, "b": same}, {"c": same, "d": same, "e": same})
    assert [(one.name, one.change, one.old_name) for one in changes] == [
        ("c", Change.RENAMED, "a"),
        ("d", Change.RENAMED, "b"),
        ("e", Change.ADDED, None),
    ]


def nodes(node):
    return [node.address, [nodes(child) for child in node.children]]


def test_the_tree_begins_at_the_oldest_ancestor(zoo, two):
    child = put(zoo, "bob/child", SECOND, parent=two[0], a="1")
    grandchild = put(zoo, "bob/grandchild", SECOND, parent=child, a="2")
    other = put(zoo, "bob/other", FIRST, parent=two[0], a="3")
    compare(zoo, two[0], child)
    found = get_lineage(zoo, "bob/grandchild")
    assert found.revision == grandchild
    assert found.is_whole
    assert nodes(found.root) == [two[0], [[child, [[grandchild, []]]], [other, []]]]
    first, second = found.root.children
    assert (first.changed_tensors, first.tensors) == (6, 6)
    assert (second.changed_tensors, second.tensors) == (0, 6)
    assert first.accuracy == 0.5


def test_what_a_caller_may_not_see_is_in_no_tree_and_no_comparison(zoo, two):
    hidden = put(zoo, "ada/hidden", SECOND, parent=two[0], private=True, a="1")
    below = put(zoo, "bob/below", SECOND, parent=hidden, private=False, a="2")
    zoo = replace(zoo, caller=Caller(account="bob", roles={"bob": Role.WRITE}))
    assert nodes(get_lineage(zoo, two[0]).root) == [two[0], []]
    assert nodes(get_lineage(zoo, below).root) == [below, []]
    with pytest.raises(ModelNotFound):
        compare(zoo, two[0], hidden)
    with pytest.raises(ModelNotFound):
        get_lineage(zoo, hidden)


@pytest.mark.usefixtures("stocked")
def test_over_rest(make_app):
    client = make_app().test_client()
    answer = client.get("/v1/models/lenet-digits/compare?against=lenet")
    assert answer.status_code == 200
    found = {one["name"]: one["change"] for one in answer.json["tensors"]}
    assert found["conv1.weight"] == "same"
    assert found["head.weight"] == "added"
    tree = client.get("/v1/models/lenet-digits/lineage").json
    assert tree["root"]["address"].startswith("lenet@")
    (child,) = tree["root"]["children"]
    assert child["address"] == tree["revision"]
    assert 0 < child["changed_tensors"] < child["tensors"] + 1
    assert client.get("/v1/models/lenet/compare").status_code == 400
    assert client.get("/v1/models/lenet/compare?against=nothing").status_code == 404
    assert client.get("/v1/models/lenet:nothing/lineage").status_code == 404


@pytest.mark.usefixtures("stocked")
def test_at_the_terminal(zoo_cli):
    shown = zoo_cli("diff", "lenet", "lenet-digits")
    assert shown.code == 0
    assert "conv1: 2 tensors" in shown.out
    assert "tensors differ" in shown.err
    assert "config.zoo.lineage.parent" in shown.out
    assert zoo_cli("diff", "lenet", "lenet-digits", "--json").json["files"]
    assert zoo_cli("diff", "lenet", "nothing").code == 3
    tree = zoo_cli("lineage", "lenet").out.splitlines()
    assert tree[0].startswith("lenet@")
    assert tree[1].startswith("`- lenet-digits@")
    assert "tensors differ" in tree[1]
    assert zoo_cli("lineage", "lenet", "--json").json["is_whole"] is True


def test_a_ref_that_is_not_there_is_told(stocked):
    with open_zoo(read_settings(home=stocked)) as zoo, pytest.raises(RevisionNotFound):
        compare(zoo, "lenet", "lenet:v9")
