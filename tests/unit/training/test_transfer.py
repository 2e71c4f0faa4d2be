"""Trainings of a transfer study, on pictures whose classes are colours."""

import numpy as np
import pytest
import torch
from torch import nn

from zoo.errors import Interrupted
from zoo.networks.freezing import freeze_up_to
from zoo.networks.tracing import trace_network
from zoo.training.schedule import one_cycle
from zoo.training.transfer import Bench, Course, Labelled, Task, Treatment
from zoo.training.transferreport import (
    PAPER,
    accuracy_rows,
    paper_rows,
    run_name,
    say,
    tell_transfer,
    write_markdown,
)

ABOUT = {
    "model": "small@1",
    "stages": [{"layers": ["conv1"], "end": "relu1"}, {"layers": ["conv2"], "end": "relu2"}],
    "tasks": {"A": "`a@1`", "B": "`b@1`"},
    "validation_pictures": 100,
    "course": {"epochs": 1, "rate": 0.02, "batch": 4},
    "seeds": 2,
    "init": "he",
    "chance": 0.5,
}


class ToFloat(nn.Module):
    """Pixels to what the network reads."""

    def forward(self, images):
        return images.permute(0, 3, 1, 2).float() / 255 - 0.5


def draw(classes, seed):
    torch.manual_seed(seed)
    module = nn.Sequential()
    for name, part in {
        "conv1": nn.Conv2d(3, 4, 3),
        "norm1": nn.BatchNorm2d(4),
        "relu1": nn.ReLU(),
        "conv2": nn.Conv2d(4, 4, 3),
        "relu2": nn.ReLU(),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flatten": nn.Flatten(),
        "head": nn.Linear(4, classes),
    }.items():
        module.add_module(name, part)
    return trace_network(module, shape=(3, 8, 8))


def make_task(seed, *, channels=(0, 1)):
    def part(count):
        rng = np.random.default_rng([seed, count])
        labels = np.arange(count) % 2
        images = rng.integers(0, 120, (count, 8, 8, 3), dtype=np.uint8)
        for image, label in zip(images, labels, strict=True):
            image[..., channels[label]] += 120
        return Labelled(images=images, labels=labels)

    return Task(training=part(40), validation=part(20), classes=2)


@pytest.fixture
def bench():
    return Bench(draw=draw, preprocess=ToFloat(), course=Course(epochs=4, rate=0.1, batch=8))


def test_a_base_learns_and_equal_trainings_are_equal(bench):
    state, accuracy = bench.train_base(make_task(1), 0)
    again, _ = bench.train_base(make_task(1), 0)
    assert accuracy > 0.9
    assert all(torch.equal(state[name], again[name]) for name in state)


@pytest.mark.parametrize("treatment", list(Treatment))
def test_what_is_taken_over_is_trained_on_only_where_that_is_asked_for(treatment):
    networks = []

    def remember(classes, seed):
        networks.append(draw(classes, seed))
        return networks[-1]

    bench = Bench(draw=remember, preprocess=ToFloat(), course=Course(epochs=1, rate=0.1, batch=8))
    base, _ = bench.train_base(make_task(1, channels=(1, 2)), 0)
    base = {name: tensor.clone() for name, tensor in base.items()}
    source = None if treatment is Treatment.RANDOM else base
    bench.transfer(treatment, source, "relu1", make_task(2), 7)
    begun = source or draw(2, 7).state_dict()
    names = freeze_up_to(draw(2, 7), "relu1")
    assert "norm1.running_mean" in names
    after = networks[-1].state_dict()
    stayed = [bool(torch.equal(after[name], begun[name])) for name in names]
    assert all(stayed) if treatment.is_frozen else not any(stayed)
    assert not torch.equal(after["head.weight"], draw(2, 7).state_dict()["head.weight"])


def test_a_training_can_be_stopped():
    def stop():
        raise Interrupted("Told to.")

    bench = Bench(
        draw=draw, preprocess=ToFloat(), course=Course(epochs=1, rate=0.1, batch=8), check=stop
    )
    with pytest.raises(Interrupted):
        bench.train_base(make_task(1), 0)


def test_the_rate_rises_and_then_falls_to_nothing():
    rates = [one_cycle(step, 100, warm_up=0.1) for step in range(101)]
    assert rates[:3] == [0.1, 0.2, pytest.approx(0.3)]
    assert max(rates) == rates[10] == 1
    assert rates[11:] == sorted(rates[11:], reverse=True)
    assert rates[100] == pytest.approx(0)


def make_runs():
    runs = {}
    for seed in range(2):
        runs[run_name("base A", 0, seed)] = 0.5
        runs[run_name("base B", 0, seed)] = 0.6 + 0.1 * seed
        for n in (1, 2):
            for rank, treatment in enumerate(Treatment):
                runs[run_name(treatment, n, seed)] = 0.7 - 0.1 * rank - 0.05 * n
    return runs


def test_the_report_gives_means_and_deviations_over_seeds():
    told = tell_transfer(ABOUT, make_runs())
    assert told["bases"]["base B"]["mean"] == pytest.approx(0.65)
    assert told["bases"]["base B"]["sd"] == pytest.approx(0.1 / 2**0.5)
    head, rows = accuracy_rows(told)
    assert head == ["n", "taken over", "BnB", "AnB", "BnB+", "AnB+", "random"]
    assert rows[1] == [
        "1",
        "up to conv1",
        *(f"{value:.3f} +- 0.000" for value in (0.65, 0.55, 0.45, 0.35, 0.25)),
    ]
    assert any("AnB+) come to -0.325" in sentence for sentence in say(told))
    assert "| 7 | 0.623 | 0.543 | 0.627 | 0.647 | 0.015 |" in write_markdown(told, plot="p.png")


def test_the_report_names_how_many_stages_were_taken_over():
    said = " ".join(say(tell_transfer(ABOUT, make_runs())))
    assert "With the first 2 stages of A frozen (AnB)" in said
    assert "go from 0.250 to 0.200" in said
    one = " ".join(say(tell_transfer(ABOUT | {"stages": ABOUT["stages"][:1]}, make_runs())))
    assert "With the first stage of A frozen (AnB) 0.550 are left" in one
    assert "(BnB) come to 0.650; the base has 0.650" in one
    assert "Random layers, frozen, come to 0.250." in one
    assert "average" not in one


def test_what_is_not_trained_yet_is_left_out():
    runs = make_runs()
    del runs[run_name(Treatment.ANB, 2, 1)]
    told = tell_transfer(ABOUT, runs)
    assert told["treatments"]["AnB"][1]["mean"] is None
    assert accuracy_rows(told)[1][2][3] == "-"
    assert "Not all" in say(told)[0]


def test_a_base_that_learned_nothing_is_told():
    told = tell_transfer(ABOUT | {"chance": 0.6}, make_runs())
    assert "learned nothing: 0.650" in say(told)[0]


def test_the_published_table_falls_as_the_paper_says():
    assert len(paper_rows()[1]) == 7
    assert PAPER[Treatment.ANB][6] < PAPER[Treatment.ANB][2] < PAPER[Treatment.ANB_PLUS][2]
    assert PAPER[Treatment.RANDOM][2] < 0.01
