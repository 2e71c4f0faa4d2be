"""Finding models, revisions and files, and what is near to what is not there."""

import json

import pytest

from zoo.domain.config import CONFIG, ModelConfig
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.errors import (
    BadName,
    DigestMismatch,
    FileNotFound,
    MalformedCheckpoint,
    ModelNotFound,
    NotRunnable,
    RevisionNotFound,
)
from zoo.operations import fetch

CONFIGURED = ModelConfig(
    architecture="net",
    label_names=("ant", "bee"),
    pictures=Preprocessing(),
    recipe=Recipe(source=Source(kind="caffe", path="deploy.prototxt")),
    lineage={},
)


def test_a_model_and_its_revisions_are_found(zoo, published):
    first = published(files={"a": "1"}, refs=("main", "v1"))
    second = published(files={"a": "2"})
    assert fetch.get_model(zoo, "net").head == second
    assert fetch.get_revision(zoo, "net") == second
    assert fetch.get_revision(zoo, "net:v1") == first
    assert fetch.get_revision(zoo, first.address) == first
    assert fetch.get_revision(zoo, f"net@{first.id[:8]}") == first
    assert fetch.list_revisions(zoo, "net") == [second, first]
    assert [move.new for move in fetch.list_moves(zoo, "net")] == [second.id, first.id, first.id]


def test_models_are_listed_a_page_at_a_time(zoo, published):
    for name in "abc":
        published(name)
    assert [model.name for model in fetch.list_models(zoo, limit=2)] == ["a", "b"]
    assert [model.name for model in fetch.list_models(zoo, after="b")] == ["c"]


@pytest.mark.parametrize("find", [fetch.get_model, fetch.get_revision])
def test_near_names_are_hinted_at(zoo, published, find):
    published("alexnet")
    published("caffe/alexnet")
    with pytest.raises(ModelNotFound) as caught:
        find(zoo, "alexnt")
    assert "'alexnet'" in caught.value.hint
    assert caught.value.detail["near"][0] == "alexnet"


@pytest.mark.parametrize("find", [fetch.get_model, fetch.get_revision])
def test_where_no_name_is_near_the_hint_is_the_usual(zoo, published, find):
    published("vgg")
    with pytest.raises(ModelNotFound) as caught:
        find(zoo, "squeezenet")
    assert caught.value.hint == ModelNotFound.hint


@pytest.mark.parametrize(
    "find", [fetch.get_model, fetch.get_revision, fetch.list_revisions, fetch.list_moves]
)
@pytest.mark.parametrize("name", ["", "a b", "a\x00", "a\udcff"])
def test_what_can_be_no_name_is_refused(zoo, find, name):
    with pytest.raises(BadName):
        find(zoo, name)


def test_an_unknown_ref_is_not_found(zoo, published):
    published()
    with pytest.raises(RevisionNotFound):
        fetch.get_revision(zoo, "net:v9")


def test_a_file_is_found_with_its_bytes(zoo, published):
    revision = published(files={"a": "bytes"})
    file, path = fetch.get_file(zoo, revision, "a")
    assert (file.path, file.size_bytes) == ("a", 5)
    assert path.read_text() == "bytes"
    assert fetch.local_files(zoo, revision) == {"a": path}


def test_a_file_that_is_not_there_is_named_with_those_that_are(zoo, published):
    with pytest.raises(FileNotFound) as caught:
        fetch.get_file(zoo, published(files={"a": ""}), "b")
    assert caught.value.detail == {"path": "b", "files": ["a"]}


def test_a_config_is_read(zoo, published):
    revision = published(files={CONFIG: json.dumps(CONFIGURED.as_json())})
    assert fetch.read_config(zoo, revision) == CONFIGURED


def test_a_config_is_read_without_any_other_file(zoo, published):
    """Where blobs are in a bucket, whatever is asked for comes over the network."""
    files = {CONFIG: json.dumps(CONFIGURED.as_json()), "model.safetensors": "large"}
    revision = published(files=files)
    zoo.blobs.local_path(revision.get_file("model.safetensors").digest).unlink()
    assert fetch.read_config(zoo, revision) == CONFIGURED


def test_a_revision_without_config_is_not_runnable(zoo, published):
    with pytest.raises(NotRunnable, match=r"config\.json"):
        fetch.read_config(zoo, published())


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", '"a"', "{}", '{"zoo": []}', b"\xff\xfe\x00"]
)
def test_a_config_that_is_none_of_ours_is_malformed(zoo, published, text):
    with pytest.raises(MalformedCheckpoint, match=r"config\.json"):
        fetch.read_config(zoo, published(files={CONFIG: text}))


@pytest.mark.parametrize("section", ["preprocessing", "lineage", "source", "surgeries"])
def test_a_config_that_lacks_a_section_is_malformed(zoo, published, section):
    data = CONFIGURED.as_json()
    del data["zoo"][section]
    with pytest.raises(MalformedCheckpoint, match=section):
        fetch.read_config(zoo, published(files={CONFIG: json.dumps(data)}))


def test_flipped_bytes_are_found_before_a_network_is_built_of_them(zoo, published):
    revision = published(files={"a": "good"})
    path = zoo.blobs.local_path(revision.files[0].digest)
    path.chmod(0o644)
    path.write_text("evil")
    with pytest.raises(DigestMismatch, match="a of net@"):
        fetch.verified_files(zoo, revision)


def test_whole_files_are_given_after_they_were_checked(zoo, published):
    revision = published(files={"a": "good"})
    assert fetch.verified_files(zoo, revision)["a"].read_text() == "good"
