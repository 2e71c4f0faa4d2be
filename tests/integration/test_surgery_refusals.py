"""What cannot be operated on is refused, with the place and the next step."""

import pytest

from zoo.domain.config import CONFIG, GRAPH, WEIGHTS
from zoo.domain.recipe import Source
from zoo.domain.revision import Blob
from zoo.domain.surgery import Cut, FoldBatchNorm, Pads, ReplaceHead
from zoo.errors import (
    BadName,
    Invalid,
    LayerNotFound,
    ModelNotFound,
    NotRunnable,
    Unsupported,
)
from zoo.formats.safetensors import write_safetensors
from zoo.networks.vision import initial_weights
from zoo.operations import fetch
from zoo.operations.draft import STORED
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.publish import Publication, publish, put_json
from zoo.operations.surgery import OWN_HEAD, DenseOptions, enqueue_dense, enqueue_surgery


@pytest.fixture
def republish(surgeon):
    """A function that publishes lenet again, changed."""

    def again(name, *, without=(), summary=None, source=None):
        revision = fetch.get_revision(surgeon.zoo, "lenet")
        files = {
            file.path: Blob(digest=file.digest, size_bytes=file.size_bytes)
            for file in revision.files
            if file.path not in without
        }
        if source:
            config = fetch.read_config(surgeon.zoo, revision).as_json()
            config["zoo"]["source"]["kind"] = source
            files[CONFIG] = put_json(surgeon.zoo, config)
        return publish(
            surgeon.zoo,
            Publication(
                model=name, files=files, message="changed", summary=summary or revision.summary
            ),
        )

    return again


def test_a_graph_that_is_served_as_it_came_says_what_is_needed(surgeon, republish):
    republish("graph", source="onnx-graph")
    for queue in (
        lambda: enqueue_dense(surgeon.zoo, "graph", DenseOptions()),
        lambda: enqueue_surgery(surgeon.zoo, "graph", Cut(at="conv1")),
    ):
        with pytest.raises(
            NotRunnable, match="is an ONNX graph that is served as it came"
        ) as error:
            queue()
        assert "deploy.prototxt and .caffemodel, or weights by name with --arch" in error.value.hint


def test_what_is_only_stored_is_refused_with_the_reason(surgeon, republish):
    summary = {"runs": STORED, "reason": "No architecture is known."}
    republish("kept", without=(CONFIG, GRAPH), summary=summary)
    with pytest.raises(NotRunnable, match=r"stored only.* No architecture is known") as error:
        enqueue_dense(surgeon.zoo, "kept", DenseOptions())
    assert "--arch" in error.value.hint


def test_a_revision_without_weights_is_refused(surgeon, republish):
    republish("bare", without=(WEIGHTS,))
    with pytest.raises(NotRunnable, match=r"has no model\.safetensors"):
        enqueue_surgery(surgeon.zoo, "bare", FoldBatchNorm())


def test_a_dense_model_is_not_made_dense_again(surgeon):
    revision = surgeon.dense("lenet")
    with pytest.raises(Invalid, match="is dense already") as error:
        enqueue_dense(surgeon.zoo, "lenet-dense", DenseOptions())
    assert revision.parent in error.value.hint
    with pytest.raises(Invalid, match="is dense already"):
        enqueue_surgery(surgeon.zoo, "lenet-dense", FoldBatchNorm())


def test_a_network_that_is_no_classifier_has_no_map_of_classes(surgeon):
    surgeon.operate("lenet", Cut(at="conv2"))
    with pytest.raises(Unsupported, match="is no classifier of pictures"):
        enqueue_dense(surgeon.zoo, "lenet-conv2", DenseOptions())


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"border_px": -1}, "A border of -1 pixels"),
        ({"border_px": 2**17}, "A border of 131072 pixels"),
        ({"sizes_px": ((0, 40),)}, "A picture of 0 x 40 cannot be checked"),
        ({"sizes_px": ((40, 100_000),)}, "A picture of 40 x 100000 cannot be checked"),
        ({"sizes_px": ((40, 40),) * 9}, "9 sizes are more than one job checks"),
    ],
)
def test_numbers_out_of_range_are_refused(surgeon, options, told):
    with pytest.raises(Invalid, match=told):
        enqueue_dense(surgeon.zoo, "lenet", DenseOptions(**options))


def test_labels_are_as_many_as_classes_and_of_a_head(surgeon):
    surgery = ReplaceHead(at=OWN_HEAD, classes=3)
    with pytest.raises(Invalid, match="There are 2 labels, and 3 classes"):
        enqueue_surgery(surgeon.zoo, "lenet", surgery, labels=("a", "b"))
    with pytest.raises(Invalid, match="no head is replaced"):
        enqueue_surgery(surgeon.zoo, "lenet", Cut(at="ip1"), labels=("a", "b"))


def test_names_that_cannot_be_are_refused(surgeon):
    with pytest.raises(BadName):
        enqueue_dense(surgeon.zoo, "lenet", DenseOptions(name="a/b/c"))
    with pytest.raises(ModelNotFound) as error:
        enqueue_dense(surgeon.zoo, "lenett", DenseOptions())
    assert "lenet" in error.value.hint


def test_a_map_without_the_cells_that_see_padding_has_no_codes_for_a_new_head(surgeon):
    revision = surgeon.dense("lenet", pads=Pads.REMOVE)
    surgery = ReplaceHead(at=OWN_HEAD, classes=2)
    for queue in (
        lambda: enqueue_finetune(surgeon.zoo, "lenet-dense", "digits"),
        lambda: enqueue_surgery(surgeon.zoo, "lenet-dense", surgery),
    ):
        with pytest.raises(Unsupported, match="leaves out the cells that see padding") as error:
            queue()
        assert revision.parent in error.value.hint


def test_a_layer_that_is_not_there_suggests_near_ones(surgeon):
    with pytest.raises(LayerNotFound, match=r"^The network has no layer 'ip3'\.$") as raised:
        enqueue_surgery(surgeon.zoo, "lenet", Cut(at="ip3"))
    assert {"ip1", "ip2"} <= set(raised.value.detail["near"])


def test_a_head_that_is_none_is_refused(surgeon):
    job = enqueue_surgery(surgeon.zoo, "lenet", ReplaceHead(at="pool1", classes=2))
    assert surgeon.refusal(job)["code"] == "no_head"


def test_a_network_without_normalisation_has_nothing_to_fold(surgeon):
    error = surgeon.refusal(enqueue_surgery(surgeon.zoo, "lenet", FoldBatchNorm()))
    assert "has no batch normalisation that could be folded" in error["message"]


def test_a_size_that_gives_no_cell_is_refused_with_the_smallest(surgeon):
    options = DenseOptions(sizes_px=((40, 40), (12, 40)))
    error = surgeon.refusal(enqueue_dense(surgeon.zoo, "lenet", options))
    assert error["code"] == "picture_too_small"
    assert "12 x 40 gives no cell; the smallest is" in error["message"]


def test_a_transformer_is_refused_with_the_place(surgeon, tmp_path):
    source = Source(kind="timm", architecture="vit_tiny_patch16_224", arguments={"num_classes": 3})
    path = tmp_path / "vit.safetensors"
    path.write_bytes(b"".join(map(bytes, write_safetensors(initial_weights(source, seed=0)))))
    surgeon.bring("vit", path, architecture="timm:vit_tiny_patch16_224")
    error = surgeon.refusal(enqueue_dense(surgeon.zoo, "vit", DenseOptions()))
    assert error["code"] == "bound_to_one_size"
    assert "position embedding" in error["message"]
    assert error["detail"]["layer"] in error["message"]
