"""The main job on real checkpoints and pictures, with the accuracies they are known for."""

import csv
import json

import pytest

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def squeezenet(real_zoo, shared_data):
    """The `zoo` command over a home with SqueezeNet, as its package is."""
    real_zoo.ok("import", shared_data / "models" / "squeezenet_v1.0")
    return real_zoo


def test_squeezenet_is_imported_with_its_version_as_a_tag(squeezenet):
    listed = {model["name"]: model for model in squeezenet.ok("list", "--json").json}
    assert set(listed["squeezenet"]["refs"]) == {"main", "v1.0"}
    assert listed["squeezenet"]["summary"]["classes"] == 1000


def test_squeezenet_knows_the_imagenet_samples(squeezenet, shared_data):
    folder = shared_data / "images" / "imagenet_sample"
    with (folder / "labels.csv").open(newline="") as file:
        wanted = {
            str(folder / row["file"]): int(row["class_index"]) for row in csv.DictReader(file)
        }
    predictions = squeezenet.ok("predict", "squeezenet", "--json", *wanted).json
    best = [[score["index"] for score in one["scores"]] for one in predictions]
    assert len(best) == len(wanted) == 200
    top1 = sum(classes[0] == index for classes, index in zip(best, wanted.values(), strict=True))
    top5 = sum(index in classes for classes, index in zip(best, wanted.values(), strict=True))
    assert abs(top1 - 120) <= 1
    assert abs(top5 - 159) <= 1


def test_squeezenet_is_fine_tuned_on_ants_and_bees(squeezenet, shared_data):
    pictures = shared_data / "images" / "hymenoptera"
    first = squeezenet.ok("finetune", "squeezenet", pictures, "--json")
    assert first.json["accuracy"]["value"] >= 0.92
    assert first.json["accuracy"]["total"] == 153
    assert "codes:" in first.err
    assert "skipped train/ants/imageNotFound.gif" in first.err

    training = json.loads(squeezenet.read_file("squeezenet-hymenoptera", "training.json"))
    parity = json.loads(squeezenet.read_file("squeezenet-hymenoptera", "parity.json"))
    # By what the processor can; in bfloat16 the graph itself answers for the validation pictures.
    compared = {"fp32": 153, "bf16": 8}[training["codes"]["precision"]]
    assert parity["pictures"] == parity["top1_equal"] == compared
    assert parity["max_abs_difference"] <= 1e-4

    again = squeezenet.ok("finetune", "squeezenet", pictures, "--json")
    assert again.json["accuracy"] == first.json["accuracy"]
    assert "codes:" not in again.err  # They were kept.


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_precisions_of_codes_give_the_same_accuracy(squeezenet, shared_data, precision):
    pictures = shared_data / "images" / "neu_surface"
    chosen = ("--precision", precision, "--name", precision, "--json")
    accuracy = squeezenet.ok("finetune", "squeezenet", pictures, *chosen).json["accuracy"]
    assert accuracy["total"] == 120
    assert abs(accuracy["right"] - 119) <= 1
    parity = json.loads(squeezenet.read_file(precision, "parity.json"))
    assert parity["pictures"] == {"fp32": 120, "bf16": 8}[precision]


@pytest.mark.parametrize(("package", "right"), [("cifar10_full_v1", 467), ("cifar10_full_h5", 460)])
def test_the_cifar_nets_have_their_accuracy(real_zoo, shared_data, package, right):
    real_zoo.ok("import", shared_data / "models" / package, "--name", package)
    folder = shared_data / "images" / "cifar10_mini" / "val"
    pictures = sorted(folder.glob("*/*"))
    assert len(pictures) == 600
    classes = sorted({path.parent.name for path in pictures})
    predictions = real_zoo.ok("predict", package, "--json", "--top", "1", *pictures).json
    found = sum(
        one["scores"][0]["index"] == classes.index(path.parent.name)
        for one, path in zip(predictions, pictures, strict=True)
    )
    assert abs(found - right) <= 1
