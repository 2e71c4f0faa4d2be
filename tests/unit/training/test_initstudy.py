"""The study of how filters may begin: what it trains, and what it tells."""

import pytest
import torch

from zoo.filters.scheme import parse_scheme
from zoo.training.initreport import accuracy_rows, shown_epochs, tell_study, write_markdown
from zoo.training.initstudy import LAYERS, Part, Run, Study, build_small, run_study

ABOUT = {
    "dataset": "shapes@1",
    "classes": 2,
    "training_pictures": 40,
    "validation_pictures": 40,
    "chance": 0.5,
    "side_px": 8,
    "channels": "gray",
}


def make_part(seed, count=40):
    """Pictures that are bright above or bright below, in noise."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randn((count, 1, 8, 8), generator=generator)
    for image, label in zip(images, labels, strict=True):
        image[0, 4 * int(label) : 4 * int(label) + 4] += 1.5
    return Part(images=images, labels=labels)


def make_study(*texts, epochs=3, seeds=2):
    schemes = tuple(map(parse_scheme, texts))
    return Study(schemes=schemes, epochs=epochs, seeds=seeds, rate=0.03, classes=2)


@pytest.fixture(scope="module")
def studied():
    study = make_study("he+lsuv", "uniform-fan-in", "2dpca")
    far = []
    runs = run_study(study, make_part(1), make_part(2), lambda *told: far.append(told))
    return study, runs, far


def test_a_study_trains_every_scheme_with_every_seed(studied):
    study, runs, far = studied
    assert list(runs) == ["he+lsuv", "uniform-fan-in", "2dpca"]
    assert {len(of_scheme) for of_scheme in runs.values()} == {2}
    assert {len(run.accuracies) for of_scheme in runs.values() for run in of_scheme} == {3}
    assert far == [(done, 18) for done in range(1, 19)]
    assert runs["he+lsuv"][0].accuracies[-1] > 0.9
    assert study.seeds == 2


def test_equal_studies_give_equal_figures(studied):
    _, runs, _ = studied
    again = run_study(make_study("he+lsuv"), make_part(1), make_part(2), lambda *_: None)
    assert again["he+lsuv"] == runs["he+lsuv"]
    assert runs["he+lsuv"][0] != runs["he+lsuv"][1]


def test_activations_and_gradients_are_looked_at_before_training(studied):
    _, runs, _ = studied
    run = runs["he+lsuv"][0]
    assert list(run.activations) == list(run.gradients) == list(LAYERS)
    assert run.activations["fc"] == pytest.approx(1, abs=0.05)
    literal = runs["uniform-fan-in"][0]
    assert literal.activations["fc"] < 1e-4
    assert literal.gradients["conv1"] < 1e-3 * run.gradients["conv1"]


def test_a_rate_that_is_too_high_is_told_and_not_hidden():
    study = Study(schemes=(parse_scheme("gaussian"),), epochs=2, seeds=1, rate=1e6, classes=2)
    (run,) = run_study(study, make_part(1), make_part(2), lambda *_: None)["gaussian"]
    assert not run.is_finite
    told = tell_study(study, {"gaussian": [run]}, ABOUT)
    assert told["schemes"][0]["diverged"] == 1
    assert "Numbers overflowed while training from: gaussian." in write_markdown(told, plot="p")


def test_the_small_network_is_pytorch_s_own_and_of_its_seed():
    first, again, other = (build_small(3, 10, 4, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.conv1.weight, again.conv1.weight)
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
    assert first(torch.zeros(2, 3, 10, 10)).shape == (2, 4)
    assert first.conv2.weight.detach().abs().max().item() <= (16 * 9) ** -0.5


def make_run(*accuracies):
    figures = dict.fromkeys(LAYERS, 0.5)
    return Run(accuracies=accuracies, activations=figures, gradients=figures, is_finite=True)


def test_figures_are_means_and_deviations_over_the_seeds():
    study = make_study("he", epochs=2, seeds=2)
    told = tell_study(study, {"he": [make_run(0.5, 0.6), make_run(0.7, 0.6)]}, ABOUT)
    (scheme,) = told["schemes"]
    assert scheme["accuracy"]["mean"] == pytest.approx([0.6, 0.6])
    assert scheme["accuracy"]["sd"] == pytest.approx([0.02**0.5, 0], abs=1e-9)
    assert scheme["accuracy"]["runs"] == [[0.5, 0.6], [0.7, 0.6]]
    assert accuracy_rows(told) == (
        ["scheme", "epoch 1", "epoch 2"],
        [["he", "0.600 +- 0.141", "0.600 +- 0.000"]],
    )


def test_one_seed_has_no_deviation():
    told = tell_study(make_study("he", epochs=1, seeds=1), {"he": [make_run(0.5)]}, ABOUT)
    assert told["schemes"][0]["accuracy"]["sd"] == [None]
    assert accuracy_rows(told)[1] == [["he", "0.500"]]


def test_a_table_shows_few_epochs_and_the_last():
    assert shown_epochs(1) == [1]
    assert shown_epochs(10) == [1, 3, 5, 10]
    assert shown_epochs(12) == [1, 3, 5, 10, 12]


def test_the_report_tells_schemes_by_their_formula(studied):
    study, runs, _ = studied
    written = write_markdown(tell_study(study, runs, ABOUT), plot="accuracy.png")
    assert "![Accuracy by epoch](accuracy.png)" in written
    assert "| he+lsuv | variance 2 / fan-in (He et al. 2015); each layer scaled" in written
    assert "Chance is 0.500." in written
