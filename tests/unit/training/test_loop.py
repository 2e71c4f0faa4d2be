"""Training stops and goes on to the same bits, and says what went wrong."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from zoo.domain.training import Beginning, Training
from zoo.errors import Interrupted, OutOfMemory, TrainingDiverged
from zoo.training.learner import Learner
from zoo.training.loop import Counts, Group, Lesson, Loop, Snapshot, held_out_loss
from zoo.training.schedule import one_cycle

COUNT, CLASSES, CODES = 40, 3, 8


def make_training(**changed):
    """Make a short training."""
    given = {
        "epochs": 3,
        "batch": 8,
        "head_lr": 0.05,
        "body_lr": 0.02,
        "layer_decay": 0.75,
        "frozen_up_to": "",
        "views": 0,
        "beginning": Beginning.ZERO,
        "init": "",
        "flip": False,
        "crop_least": 0.5,
        "has_statistics": True,
        "has_dropout": True,
        "weight_decay": 1e-4,
    }
    return Training(**given | changed)


def body():
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(2, CODES, 3),
        nn.BatchNorm2d(CODES),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    labels = np.arange(COUNT) % CLASSES
    x = rng.normal(size=(COUNT, 2, 6, 6)).astype(np.float32)
    x[np.arange(COUNT), labels % 2, labels] += 3
    return torch.from_numpy(x), labels


@pytest.fixture
def make_loop(pictures):
    """A function that makes a training before its first step, and what it saves."""
    x, labels = pictures

    def make(read=None, training=None, check=lambda: None, **changed):
        def plain(places, epoch):
            noise = np.random.default_rng([epoch, *places]).normal(size=(len(places), 2, 6, 6))
            return x[list(places)] + 0.1 * torch.from_numpy(noise).float()

        saved = []
        network = body().eval()
        with torch.no_grad():
            codes = network(x).numpy()
        learner = Learner(network, codes, CLASSES)
        lesson = Lesson(
            labels=labels, names=[f"{place}.png" for place in range(COUNT)], read=read or plain
        )
        held = Lesson(labels=labels, names=lesson.names, read=lambda places, _: x[list(places)])

        def save(snapshot):
            tensors = {name: tensor.clone() for name, tensor in snapshot.tensors.items()}
            saved.append(Snapshot(counts=snapshot.counts, tensors=tensors))

        return (
            Loop(
                learner=learner,
                groups=[
                    Group(parameters=list(learner.head.parameters()), rate=0.05),
                    Group(parameters=list(network.parameters()), rate=0.02),
                ],
                training=training or make_training(**changed),
                lesson=lesson,
                held_out=held,
                weights=None,
                seed=7,
                save=save,
                check=check,
            ),
            saved,
        )

    return make


def state_of(loop):
    return {**loop.learner.state_dict(), **{f"best/{k}": v for k, v in loop.best.items()}}


class StopAt:
    """Interrupts at the n-th question."""

    def __init__(self, number):
        self.left = number

    def __call__(self):
        self.left -= 1
        if self.left < 0:
            raise Interrupted


@pytest.mark.parametrize("stop", [0, 1, 4, 5, 6, 7, 11, 13, 16, 19])
def test_a_training_stopped_anywhere_ends_in_the_same_bits(make_loop, stop):
    undisturbed, _ = make_loop()
    undisturbed.run()
    first, saved = make_loop(check=StopAt(stop))
    with pytest.raises(Interrupted):
        first.run()
    second, _ = make_loop()
    second.resume(saved[-1])
    second.run()
    assert second.counts.as_json() == undisturbed.counts.as_json()
    expected = state_of(undisturbed)
    found = state_of(second)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(found[name], tensor), name


@pytest.mark.parametrize("stop", [3, 7, 13])
def test_a_training_that_blends_pictures_ends_in_the_same_bits_too(make_loop, stop):
    plain, _ = make_loop()
    plain.run()
    undisturbed, _ = make_loop(mixup=0.4)
    undisturbed.run()
    first, saved = make_loop(mixup=0.4, check=StopAt(stop))
    with pytest.raises(Interrupted):
        first.run()
    second, _ = make_loop(mixup=0.4)
    second.resume(saved[-1])
    second.run()
    expected = state_of(undisturbed)
    for name, tensor in state_of(second).items():
        assert torch.equal(expected[name], tensor), name
    assert not torch.equal(state_of(plain)["head.weight"], expected["head.weight"])


def test_a_training_killed_between_snapshots_goes_on_from_the_last(make_loop):
    undisturbed, saved = make_loop()
    undisturbed.run()
    assert len(saved) == 4  # before the first step, and after each epoch
    for snapshot in saved:
        again, _ = make_loop()
        again.resume(snapshot)
        again.run()
        for name, tensor in state_of(undisturbed).items():
            assert torch.equal(state_of(again)[name], tensor), name


def test_it_learns(make_loop):
    loop, _ = make_loop(epochs=12)
    counts = loop.run()
    assert counts.curve[0].training_loss is None
    assert counts.curve[0].held_out_loss == pytest.approx(math.log(CLASSES))
    assert counts.curve[counts.best].held_out_accuracy > 0.8
    scores = loop.measure(loop.best, loop.held_out)
    loss, _ = held_out_loss(scores, loop.held_out.labels)
    assert loss == pytest.approx(counts.curve[counts.best].held_out_loss)


def test_training_ends_when_the_held_out_loss_has_stopped_falling(make_loop):
    loop, _ = make_loop(training=make_training(epochs=50, head_lr=0.05))
    for group in loop.groups:
        group.parameters[0].requires_grad_(True)
    loop.held_out.labels[:] = np.roll(loop.held_out.labels, 1)  # what is learned is wrong there
    counts = loop.run()
    assert len(counts.curve) - 1 - counts.best == 11
    assert counts.step < loop.steps


class Hungry:
    """Has memory for so many pictures at once."""

    def __init__(self, x, most):
        self.x, self.most, self.asked = x, most, []

    def __call__(self, places, _epoch):
        self.asked.append(len(places))
        if len(places) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return self.x[list(places)]


@pytest.mark.parametrize("mixup", [0.0, 0.4])
def test_out_of_memory_halves_the_parts_and_keeps_the_batch(make_loop, pictures, mixup):
    options = {"has_statistics": False, "has_dropout": False, "mixup": mixup}
    hungry = Hungry(pictures[0], 2)
    divided, _ = make_loop(read=hungry, **options)
    divided.run()
    assert divided.counts.parts == 4
    assert hungry.asked[:3] == [8, 4, 2]
    whole, _ = make_loop(read=Hungry(pictures[0], 8), **options)
    whole.run()
    assert whole.counts.parts == 1
    for name, tensor in whole.best.items():
        assert torch.allclose(divided.best[name], tensor, atol=1e-5), name


def test_out_of_memory_on_a_single_picture_is_told(make_loop, pictures):
    loop, _ = make_loop(read=Hungry(pictures[0], 0))
    with pytest.raises(OutOfMemory, match="step 1, on a single picture"):
        loop.run()


def test_other_errors_are_not_taken_for_memory(make_loop):
    def broken(_places, _epoch):
        raise RuntimeError("shapes cannot be multiplied")

    loop, _ = make_loop(read=broken)
    with pytest.raises(RuntimeError, match="multiplied"):
        loop.run()


def test_a_loss_that_is_no_number_names_step_pictures_and_rates(make_loop, pictures):
    def spoiled(places, _epoch):
        x = pictures[0][list(places)].clone()
        x[0, 0, 0, 0] = math.inf
        return x

    loop, _ = make_loop(read=spoiled)
    before = {name: tensor.clone() for name, tensor in loop.learner.named_parameters()}
    with pytest.raises(TrainingDiverged, match=r"At step 1 of 15 .*\.png and 4 more") as caught:
        loop.run()
    assert len(caught.value.detail["pictures"]) == 8
    assert caught.value.detail["rates"][0] > caught.value.detail["rates"][-1]
    assert "--lr" in caught.value.hint
    for name, tensor in loop.learner.named_parameters():
        assert torch.equal(tensor, before[name])


def test_without_statistics_those_of_batch_normalisation_stay(make_loop):
    loop, _ = make_loop(has_statistics=False)
    before = {name: tensor.clone() for name, tensor in loop.learner.body.named_buffers()}
    loop.run()
    for name, tensor in loop.learner.body.named_buffers():
        assert torch.equal(tensor, before[name])


def test_counts_survive_json(make_loop):
    loop, _ = make_loop(epochs=1)
    counts = loop.run()
    assert Counts.from_json(counts.as_json()) == counts


def test_a_learner_begins_as_the_probe_and_folds_to_it(pictures):
    x, _ = pictures
    network = body().eval()
    with torch.no_grad():
        codes = network(x).numpy()
    rng = np.random.default_rng(2)
    weight = rng.normal(size=(CLASSES, CODES)).astype(np.float32)
    bias = rng.normal(size=CLASSES).astype(np.float32)
    learner = Learner(network, codes, CLASSES).begin_with(weight, bias).eval()
    with torch.no_grad():
        assert np.allclose(learner(x).numpy(), codes @ weight.T + bias, atol=1e-4)
    folded = learner.folded()
    assert np.allclose(folded[0], weight, atol=1e-5)
    assert np.allclose(folded[1], bias, atol=1e-4)


def test_codes_that_never_change_do_no_harm():
    codes = np.ones((4, 2), np.float32)
    learner = Learner(nn.Identity(), codes, 2)
    assert torch.isfinite(learner(torch.ones(1, 2))).all()


@pytest.mark.parametrize("warm_up", [0.1, 0.25, 1.0])
def test_a_cycle_rises_then_falls_to_nothing(warm_up):
    rates = [one_cycle(step, 40, warm_up=warm_up) for step in range(41)]
    top = rates.index(max(rates))
    assert max(rates) == 1
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert min(rates) >= 0
