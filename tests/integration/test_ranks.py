"""Trainings that several processes share: the same result, and the same bits after a stop."""

import json
import os
import signal

import numpy as np
import pytest

from zoo.domain.plan import Strategy
from zoo.domain.training import Overrides
from zoo.errors import RankLost
from zoo.formats.safetensors import read_safetensors
from zoo.operations import jobs
from zoo.operations.fetch import get_file, get_revision
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker import helpers
from zoo.worker.progress import Progress
from zoo.worker.run import run
from zoo.worker.supervisor import run_job

pytestmark = pytest.mark.usefixtures("stocked")
CLOSE = 1e-4  # of a tensor's largest number: sums were added up in another order
STOP = 5


class StopsAt(Progress):
    """The voice of an attempt that is asked to stop at a step of its training."""

    def count(self, step, message, done, total):
        if step == "train" and done >= STOP:
            self.stop.set()
        super().count(step, message, done, total)


def enqueue(zoo, name, devices):
    overrides = Overrides(epochs=2, batch=5, devices=devices)
    return enqueue_finetune(
        zoo, "lenet", "digits", name=name, strategy=Strategy.FULL, overrides=overrides
    )


def train(zoo, job, voice=Progress):
    run(zoo, voice(zoo, jobs.claim(zoo, worker="test", number=job.id)))
    job = jobs.get_job(zoo, job.id)
    return job.state.value, job.error


def read(zoo, name):
    """The weights of what was trained, and what training.json tells."""
    revision = get_revision(zoo, f"{name}:full")
    weights = read_safetensors(get_file(zoo, revision, "model.safetensors")[1])
    told = json.loads(get_file(zoo, revision, "training.json")[1].read_bytes())
    return {key: weights[key].copy() for key in weights}, told


def test_two_ranks_train_what_one_does_and_go_on_to_the_same_bits(home):
    with open_zoo(read_settings(home=home)) as zoo:
        assert train(zoo, enqueue(zoo, "one", 1)) == ("succeeded", None)
        assert train(zoo, enqueue(zoo, "two", 2)) == ("succeeded", None)
        broken = enqueue(zoo, "broken", 2)
        assert train(zoo, broken, StopsAt) == ("queued", None)
        assert train(zoo, broken) == ("succeeded", None)
        (one, told), (two, shared), (again, resumed) = (
            read(zoo, name) for name in ("one", "two", "broken")
        )
    assert one.keys() == two.keys() == again.keys()
    for name, tensor in one.items():
        largest = np.abs(tensor).max()
        np.testing.assert_allclose(two[name], tensor, rtol=0, atol=CLOSE * largest, err_msg=name)
        np.testing.assert_array_equal(again[name], two[name], err_msg=name)
    assert told["unchanged"]["tensors"] == 0
    assert resumed["outcome"]["resumed_at_step"] == STOP
    assert resumed["outcome"]["curve"] == shared["outcome"]["curve"]
    for first, second in zip(told["outcome"]["curve"], shared["outcome"]["curve"], strict=True):
        for loss in ("training_loss", "held_out_loss"):  # Before the first step there is but one.
            assert second[loss] == (first[loss] and pytest.approx(first[loss], rel=1e-3))
    assert shared["request"]["training"]["devices"] == 2


def test_a_rank_that_dies_fails_the_job_and_the_probe_stays(home, monkeypatch):
    begun, start = [], helpers._start

    def noted(*given):
        begun.append(start(*given))
        return begun[-1]

    class Kills(Progress):
        """The voice of an attempt whose other rank is killed at a step."""

        def count(self, step, message, done, total):
            if step == "train" and done == STOP:
                os.kill(begun[0].pid, signal.SIGKILL)
            super().count(step, message, done, total)

    monkeypatch.setattr(helpers, "_start", noted)
    with open_zoo(read_settings(home=home)) as zoo:
        state, error = train(zoo, enqueue(zoo, "lost", 2), Kills)
        assert state == "failed"
        assert error["error"]["code"] == RankLost("").as_json()["error"]["code"]
        assert get_revision(zoo, "lost").id == get_revision(zoo, "lost:probe").id
    assert begun[0].returncode == -signal.SIGKILL


def test_two_ranks_of_a_cluster_train_what_one_does(home, ray_cluster):
    told = {"engine": "ray", "ray_address": ray_cluster.address}
    with open_zoo(read_settings(home=home, **told)) as zoo:
        assert train(zoo, enqueue(zoo, "one", 1)) == ("succeeded", None)
        ended = run_job(zoo, enqueue(zoo, "two", 2).id, lambda _event: None)
        assert (ended.state.value, ended.attempt, ended.error) == ("succeeded", 1, None)
        (one, told), (two, shared) = (read(zoo, name) for name in ("one", "two"))
    for name, tensor in one.items():
        largest = np.abs(tensor).max()
        np.testing.assert_allclose(two[name], tensor, rtol=0, atol=CLOSE * largest, err_msg=name)
    assert len(told["outcome"]["curve"]) == len(shared["outcome"]["curve"])


def test_devices_have_no_meaning_for_a_probe(zoo_cli):
    ran = zoo_cli("finetune", "lenet", "digits", "--devices", "2")
    assert ran.code != 0
    assert "'devices' has no meaning for the strategy probe" in ran.err
