"""What a revision is found by comes of its summary, its card and its config.json."""

import json

import pytest

from zoo.domain.search import Facet, ModelWish, Size
from zoo.operations.datasets import add_dataset
from zoo.operations.fetch import search_models
from zoo.operations.traits import find_traits

CARD = """---
license: mit
tags: [vision, "", vision, 7]
pipeline_tag: image-classification
library_name: timm
datasets: lab/birds@0123
---
# A net
"""


def traits(zoo, *, summary=None, dataset=None, **files):
    blobs = {
        {"card": "README.md", "config": "config.json", "graph": "model.onnx"}[name]: zoo.blobs.put(
            [text.encode() if isinstance(text, str) else text]
        )
        for name, text in files.items()
    }
    return find_traits(zoo, blobs, summary or {}, dataset=dataset)


def test_a_card_and_a_config_tell_of_what_a_client_pushed(zoo):
    config = json.dumps({"architecture": "resnet18", "num_classes": 3})
    found = traits(zoo, card=CARD, config=config)
    assert {facet: values for facet, values in found.values.items() if values} == {
        Facet.ARCHITECTURE: ("resnet18",),
        Facet.RUNS: ("stored",),
        Facet.LICENCE: ("mit",),
        Facet.DATASET: ("lab/birds",),
        Facet.TAG: ("vision", "image-classification", "timm"),
    }
    assert found.sizes == {Size.CLASSES: 3}


def test_the_summary_wins_over_the_files(zoo):
    summary = {
        "architecture": "alexnet",
        "license": "bsd",
        "source": "caffe",
        "runs": "dense",
        "strategy": "probe",
        "classes": 2,
        "parameters": 5,
    }
    config = json.dumps({"architectures": ["ResNet"], "num_classes": 3})
    found = traits(zoo, summary=summary, card=CARD, config=config, dataset="insects@00")
    assert found.values[Facet.ARCHITECTURE] == ("alexnet",)
    assert found.values[Facet.LICENCE] == ("bsd",)
    assert found.values[Facet.RUNS] == ("dense",)
    assert found.values[Facet.DATASET] == ("insects", "lab/birds")
    assert found.sizes == {Size.CLASSES: 2, Size.PARAMETERS: 5}


def test_a_graph_makes_a_classifier_of_what_says_nothing(zoo):
    assert traits(zoo, graph="graph").values[Facet.RUNS] == ("classifier",)


@pytest.mark.parametrize(
    "files",
    [
        {"card": "---\n- no\n"},
        {"card": b"---\nlicense: \xff\n---\n", "config": b"\xff"},
        {"config": "[" * 100_000},
        {"config": "[1]"},
        {"card": "---\nlicense: [1]\ntags: {a: b}\n---\n", "config": '{"num_classes": -1}'},
        {"config": '{"num_classes": true, "architectures": {}}'},
        {"config": f'{{"num_classes": {2**63}}}'},
        {"config": '{"architecture": "\\ud800", "architectures": ["\\udc00"]}'},
    ],
    ids=range(8),
)
def test_files_that_tell_nothing_sensible_are_no_fault(zoo, files):
    found = traits(zoo, **files)
    assert found.values[Facet.RUNS] == ("stored",)
    assert not found.values[Facet.TAG]
    assert not found.values[Facet.ARCHITECTURE]
    assert not found.sizes


def test_values_are_no_longer_and_no_more_than_they_may_be(zoo):
    tags = [f"{number:03}{'x' * 1000}" for number in range(150)]
    found = traits(zoo, card=f"---\ntags: {json.dumps([*tags, 'a' + chr(0)])}\n---\n")
    assert len(found.values[Facet.TAG]) == 100
    assert {len(tag) for tag in found.values[Facet.TAG]} == {200}


def test_a_published_revision_is_found_by_them(zoo, published, insects):
    dataset = add_dataset(zoo, insects(ant=2, bee=2))
    published("ada/net", files={"README.md": CARD}, dataset=dataset.address)
    published("ada/other")
    wish = ModelWish(values={Facet.DATASET: ("insects",), Facet.TAG: ("timm",)})
    assert [model.name for model in search_models(zoo, wish).models] == ["ada/net"]
