"""The linear probe: its standardisation is folded in, its C is the simplest that is as good."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from zoo.domain.plan import Classifier, Plan, Strategy
from zoo.training.probe import Candidate, choose_c, cross_validate, fit_probe


def make_plan(**given):
    defaults = {
        "strategy": Strategy.PROBE,
        "c_grid": (0.01, 1.0),
        "folds": 3,
        "balanced": False,
        "seed": 0,
        "because": (),
    }
    return Plan(**defaults | given)


def make_codes(counts, *, width=6, apart=2.0, seed=0):
    """Make codes of some classes, each around its own centre, on very different scales."""
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = generator.normal(size=(len(counts), width)) * apart
    codes = centres[labels] + generator.normal(size=(len(labels), width))
    return (codes * 10.0 ** np.arange(width) + 7).astype(np.float32), labels


def scores_of(probe, codes):
    return codes.astype(np.float64) @ probe.weight.T.astype(np.float64) + probe.bias


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("counts", [(20, 20), (20, 25, 15)])
@pytest.mark.parametrize("balanced", [False, True])
def test_the_folded_head_on_raw_codes_says_what_the_classifier_says_of_scaled_ones(
    counts, balanced
):
    codes, labels = make_codes(counts)
    probe = fit_probe(codes, labels, make_plan(c_grid=(1.0,), folds=0, balanced=balanced))
    exact = codes.astype(np.float64)
    scaled = (exact - exact.mean(axis=0)) / exact.std(axis=0)
    weights = "balanced" if balanced else None
    model = LogisticRegression(C=1.0, max_iter=2000, tol=1e-10, class_weight=weights)
    model.fit(scaled, labels)
    assert probe.weight.shape == (len(counts), codes.shape[1])
    assert softmax(scores_of(probe, codes)) == pytest.approx(model.predict_proba(scaled), abs=1e-4)


def test_classes_of_unequal_size_are_weighed_when_the_plan_says_so():
    codes, labels = make_codes((90, 10), apart=0.3)
    recalls = [
        (scores_of(probe, codes).argmax(axis=1)[labels == 1] == 1).mean()
        for balanced in (False, True)
        for probe in [fit_probe(codes, labels, make_plan(folds=0, balanced=balanced))]
    ]
    assert recalls[0] < recalls[1]


def make_rare(counts, *, seed):
    """Make codes that hang together, as a network's do: four numbers, told in a hundred, blurred.

    Classes overlap in the first of the four.
    """
    generator = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    hidden = generator.normal(size=(len(labels), 4))
    hidden[:, 0] += 1.2 * labels
    codes = hidden @ np.random.default_rng(99).normal(size=(4, 100))
    codes += 0.5 * generator.normal(size=codes.shape)
    return codes.astype(np.float32), labels


def recall_of(probe, codes, labels, one):
    return (scores_of(probe, codes).argmax(axis=1)[labels == one] == one).mean()


def test_a_third_of_all_pictures_outweighs_what_rare_classes_cannot_tell():
    figures = {"standard_error": 0.02, "balanced_error": 0.04}
    timid = Candidate(c=1e-3, accuracy=0.32, balanced_accuracy=0.17, **figures)
    sound = Candidate(c=1e-2, accuracy=0.70, balanced_accuracy=0.14, **figures)
    loose = Candidate(c=1e2, accuracy=0.71, balanced_accuracy=0.12, **figures)
    assert choose_c((timid, sound, loose)) == 1e-2


def test_a_rare_class_that_is_always_right_is_no_certainty():
    codes, labels = make_rare((60, 5), seed=1)
    codes[labels == 1] += 100.0  # beyond doubt
    found = cross_validate(codes, labels, make_plan(balanced=True))
    assert found.balanced_accuracy == 1.0
    # 60.5 of 61 and 5.5 of 6 right, as shares of 60 and 5
    shares, totals = np.array([60.5 / 61, 5.5 / 6]), np.array([60, 5])
    expected = np.sqrt((shares * (1 - shares) / totals).sum()) / 2
    assert found.balanced_error == pytest.approx(expected)
    assert found.standard_error == 0


def test_the_choice_of_c_does_not_undo_the_weights_of_classes():
    grid, found, plain = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0), [], []
    for seed in range(5):
        codes, labels = make_rare((200, 20), seed=seed)
        unseen, truth = make_rare((500, 500), seed=seed + 100)
        plan = make_plan(c_grid=grid, folds=5, balanced=True)
        probe = fit_probe(codes, labels, plan)
        by_accuracy = max(probe.candidates, key=lambda one: one.accuracy)
        floor = by_accuracy.accuracy - by_accuracy.standard_error
        c = min(one.c for one in probe.candidates if one.accuracy >= floor)
        other = fit_probe(codes, labels, make_plan(c_grid=(c,), folds=0, balanced=True))
        found.append(recall_of(probe, unseen, truth, 1))
        plain.append(recall_of(other, unseen, truth, 1))
        assert probe.c == choose_c(probe.candidates)
    assert np.mean(found) > np.mean(plain) + 0.2


def test_without_weights_nothing_is_told_of_balance():
    codes, labels = make_codes((21, 21), apart=0.5)
    told = fit_probe(codes, labels, make_plan()).as_json()["candidates"]
    assert {*told[0]} == {"c", "accuracy", "standard_error"}
    balanced = fit_probe(codes, labels, make_plan(balanced=True)).as_json()["candidates"]
    # Of equal classes it is the same figure.
    assert [one["balanced_accuracy"] for one in balanced] == pytest.approx(
        [one["accuracy"] for one in told]
    )


def test_a_class_too_rare_to_be_held_out_leaves_the_others_measured():
    codes, labels = make_codes((30, 30, 1), apart=3.0)
    probe = fit_probe(codes, labels, make_plan(folds=5, balanced=True))
    assert probe.weight.shape[0] == 3
    assert scores_of(probe, codes)[-1].argmax() == 2
    assert probe.calibration.error_after < 0.2
    assert probe.candidates[-1].balanced_accuracy > 0.9
    assert cross_validate(codes, labels, make_plan(folds=5, balanced=True)).accuracy > 0.9


def test_a_code_that_never_changes_does_no_harm():
    codes, labels = make_codes((10, 10))
    codes[:, 2] = 5.0
    probe = fit_probe(codes, labels, make_plan())
    assert np.isfinite(probe.weight).all()
    assert np.isfinite(probe.bias).all()


def test_the_same_codes_and_seed_give_the_same_probe():
    codes, labels = make_codes((20, 20, 20), apart=0.5)
    first, second = (fit_probe(codes, labels, make_plan(seed=3)) for _ in range(2))
    assert first.candidates == second.candidates
    assert np.array_equal(first.weight, second.weight)
    assert np.array_equal(first.bias, second.bias)


def test_every_c_of_the_grid_is_measured():
    codes, labels = make_codes((20, 20), apart=0.5)
    probe = fit_probe(codes, labels, make_plan(c_grid=(1e-4, 1e-2, 1.0), folds=4))
    assert [candidate.c for candidate in probe.candidates] == [1e-4, 1e-2, 1.0]
    assert all(0 <= candidate.accuracy <= 1 for candidate in probe.candidates)
    assert probe.c == choose_c(probe.candidates)
    assert probe.as_json()["candidates"][0]["c"] == 1e-4


def test_an_accuracy_is_measured_on_pictures_held_out():
    generator = np.random.default_rng(0)
    codes = generator.normal(size=(60, 80)).astype(np.float32)  # nothing can be learned from it
    labels = np.repeat([0, 1], 30)
    probe = fit_probe(codes, labels, make_plan(c_grid=(100.0,)))
    assert (scores_of(probe, codes).argmax(axis=1) == labels).all()
    assert probe.candidates[0].accuracy < 0.8


def test_without_folds_the_first_c_is_taken():
    codes, labels = make_codes((1, 5))
    probe = fit_probe(codes, labels, make_plan(c_grid=(0.1,), folds=0))
    assert (probe.c, probe.candidates) == (0.1, ())


def test_two_pictures_a_class_are_enough_for_two_folds():
    codes, labels = make_codes((2, 2))
    assert fit_probe(codes, labels, make_plan(folds=2)).c in {0.01, 1.0}


@pytest.mark.parametrize(
    ("accuracies", "error", "c"),
    [
        ((0.80, 0.90, 0.95), 0.04, 1.0),  # the best is beyond doubt
        ((0.80, 0.90, 0.95), 0.05, 0.1),  # the next cannot be told from it
        ((0.80, 0.90, 0.95), 0.20, 0.01),
        ((0.95, 0.95, 0.95), 0.00, 0.01),
        ((0.80, 0.95, 0.90), 0.00, 0.1),
    ],
)
def test_the_smallest_c_within_one_standard_error_of_the_best_is_chosen(accuracies, error, c):
    candidates = tuple(
        Candidate(c=of, accuracy=accuracy, standard_error=error)
        for of, accuracy in zip((0.01, 0.1, 1.0), accuracies, strict=True)
    )
    assert choose_c(candidates) == c


def test_the_standard_error_is_that_of_the_best():
    wide = Candidate(c=0.1, accuracy=0.8, standard_error=0.5)
    best = Candidate(c=1.0, accuracy=0.9, standard_error=0.01)
    assert choose_c((wide, best)) == 1.0


def test_what_is_folded_in_makes_held_out_probabilities_mean_what_they_say():
    codes, labels = make_codes((60, 60), apart=0.4)
    plan = make_plan(c_grid=(1e-4,), folds=5)
    probe = fit_probe(codes, labels, plan)
    plain = fit_probe(codes, labels, make_plan(c_grid=(1e-4,), folds=0))
    assert plain.calibration is None
    found = probe.calibration
    # So small a C shrinks scores towards each other; the temperature spreads them.
    assert found.temperature < 0.5
    assert found.error_after < found.error_before
    assert probe.weight == pytest.approx(plain.weight / found.temperature, rel=1e-4)
    assert probe.bias == pytest.approx(plain.bias / found.temperature, rel=1e-4, abs=1e-4)
    assert probe.as_json()["calibration"]["temperature"] == found.temperature


@pytest.mark.parametrize("counts", [(30, 30), (30, 25, 20)])
def test_a_linear_svm_is_folded_in_like_logistic_regression(counts):
    codes, labels = make_codes(counts)
    plan = make_plan(c_grid=(1e-3, 1e-2), folds=3, classifier=Classifier.SVM)
    probe = fit_probe(codes, labels, plan)
    assert probe.weight.shape == (len(counts), codes.shape[1])
    assert (scores_of(probe, codes).argmax(axis=1) == labels).mean() > 0.9
    assert probe.calibration.error_after < 0.2
    assert {one.c for one in probe.candidates} == {1e-3, 1e-2}
