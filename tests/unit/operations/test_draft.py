"""What waits in the store while an import's job is queued."""

import json

import numpy as np
import yaml

from zoo.domain.checkpoint import Checkpoint
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.operations.draft import STORED, Draft

CHECKPOINT = Checkpoint(
    kind="caffe",
    title="Net",
    architecture="net",
    weights={"a": np.zeros((2, 3)), "b": np.zeros(4)},
    source=Source(kind="caffe", path="deploy.prototxt"),
    labels=("ant", "bee"),
    preprocessing=Preprocessing(source="assumed: a colour input"),
    licence="BSD",
    prose="It has an accuracy of 90%.",
    tags=("caffe",),
    notes=("The package has no readme.md.",),
)


def draft(recipe=Recipe(source=CHECKPOINT.source)):  # noqa: B008  # a frozen value
    return Draft.of(CHECKPOINT, recipe=recipe, given={"scale": 1.0}, originals=("net.caffemodel",))


def test_what_is_written_is_read_back():
    assert Draft.from_json(json.loads(json.dumps(draft().as_json()))) == draft()
    assert Draft.from_json(json.loads(json.dumps(draft(None).as_json()))) == draft(None)


def test_parameters_are_counted_and_claims_found():
    assert draft().parameters == 10
    assert [claim.value for claim in draft().claims] == [0.9]


def test_the_summary_says_what_runs_and_what_is_assumed():
    summary = draft().summary(runs=STORED, labels=("ant",), pictures=CHECKPOINT.preprocessing)
    assert summary["runs"] == "stored"
    assert summary["preprocessing"].startswith("assumed")


def test_the_card_of_what_is_stored_says_why_it_does_not_run():
    stored = Draft.of(
        Checkpoint(kind="caffe", title="N", architecture="n", weights={}, reason="no such layer"),
        recipe=None,
        given=None,
        originals=("n.caffemodel",),
    )
    card = stored.card(labels=(), pictures=None)
    _, front, body = card.split("---", 2)
    assert "image-classification" not in (yaml.safe_load(front) or {}).get("tags", [])
    assert "Stored, not runnable: no such layer" in body
    assert "`n.caffemodel`" in body


def test_the_card_tells_notes_and_prose():
    card = draft().card(labels=("ant", "bee"), pictures=CHECKPOINT.preprocessing, notes=("New.",))
    for told in ("- The package has no readme.md.", "- New.", "accuracy of 90%", "assumed"):
        assert told in card
