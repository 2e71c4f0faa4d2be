"""`zoo finetune --strategy`: the probe first, what is trained only if it is better."""

import errno
import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from zoo.catalog.leases import read_clock
from zoo.domain.job import JobState
from zoo.domain.plan import Plan, Strategy
from zoo.domain.training import REAL_LIMITS, Overrides
from zoo.errors import ModelNotFound
from zoo.formats.safetensors import read_safetensors
from zoo.operations import finetune as finetune_operation
from zoo.operations import jobs
from zoo.operations.backup import back_up, restore
from zoo.operations.fetch import get_file, get_model, get_revision
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker.progress import Progress
from zoo.worker.run import run

pytestmark = pytest.mark.usefixtures("stocked")
TRAINED = ["partial", "lp-ft", "full", "scratch"]


def read_file(home, address, path):
    with open_zoo(read_settings(home=home)) as zoo:
        _, found = get_file(zoo, get_revision(zoo, address), path)
        return found.read_bytes()


def training_of(home, address):
    return json.loads(read_file(home, address, "training.json"))


def weights_of(home, address):
    with open_zoo(read_settings(home=home)) as zoo:
        _, path = get_file(zoo, get_revision(zoo, address), "model.safetensors")
        weights = read_safetensors(path)
        return {name: weights[name].copy() for name in weights}


@pytest.mark.parametrize("strategy", TRAINED)
def test_the_probe_is_there_first_and_the_better_one_is_main(zoo_cli, home, strategy):
    arguments = ("--strategy", strategy, "--name", "tuned", "--epochs", "2")
    ran = zoo_cli("finetune", "lenet", "digits", *arguments, "--json")
    assert ran.code == 0, ran.err
    with open_zoo(read_settings(home=home)) as zoo:
        refs = get_model(zoo, "tuned").refs
    told = training_of(home, f"tuned:{strategy}")
    is_better = told["outcome"]["verdict"]["is_better"]
    assert refs["main"] == (refs[strategy] if is_better else refs["probe"])
    assert ran.json["revision"] == f"tuned@{refs['main']}"
    assert training_of(home, "tuned:probe")["plan"]["strategy"] == "probe"
    plan = Plan.from_json(told["plan"])
    assert plan.strategy is Strategy(strategy)
    assert plan.training.epochs == 2
    assert plan.as_json() == told["plan"]
    assert len(told["outcome"]["curve"]) == 3
    assert zoo_cli("verify", f"tuned:{strategy}").code == 0
    # What training.json says is what the graph gives.
    measured = zoo_cli("eval", f"tuned:{strategy}", "digits", "--json").json
    assert measured["accuracy"] == told["metrics"]["val"]["accuracy"]
    card = read_file(home, f"tuned:{strategy}", "README.md").decode()
    assert "unchanged to the bit" in card
    assert "held-out training pictures" in card


def test_partial_leaves_what_is_below_the_boundary_to_the_bit(zoo_cli, home):
    zoo_cli(
        "finetune", "lenet", "digits", "--strategy", "partial", "--name", "tuned", "--epochs", "2"
    )
    told = training_of(home, "tuned:partial")
    boundary = told["plan"]["training"]["frozen_up_to"]
    before, after = weights_of(home, "lenet"), weights_of(home, "tuned:partial")
    same = {name for name in before if name in after and np.array_equal(before[name], after[name])}
    assert boundary.startswith("pool")
    assert {"conv1.weight", "conv1.bias"} <= same
    assert "ip1.weight" not in same
    assert told["unchanged"]["tensors"] == len(same)


def test_layers_up_to_freeze_stay_and_those_above_learn(zoo_cli, home):
    options = ("--strategy", "lp-ft", "--freeze", "conv1", "--epochs", "1", "--lr", "0.01")
    ran = zoo_cli("finetune", "lenet", "digits", "--name", "tuned", *options)
    assert ran.code == 0, ran.err
    before, after = weights_of(home, "lenet"), weights_of(home, "tuned:lp-ft")
    assert np.array_equal(before["conv1.weight"], after["conv1.weight"])
    told = training_of(home, "tuned:lp-ft")
    assert told["plan"]["training"]["body_lr"] == 0.01
    if told["outcome"]["share"]:
        assert not np.array_equal(before["conv2.weight"], after["conv2.weight"])


def test_scratch_reads_numbers_around_0_and_begins_as_asked(zoo_cli, home):
    options = ("--strategy", "scratch", "--init", "glorot", "--epochs", "1")
    assert zoo_cli("finetune", "lenet", "digits", "--name", "tuned", *options).code == 0
    told = training_of(home, "tuned:scratch")
    assert told["plan"]["training"]["init"] == "glorot"
    assert told["unchanged"]["tensors"] == 0


def test_zero_shot_borrows_classes_of_the_parent(zoo_cli, home):
    ran = zoo_cli("finetune", "lenet", "digits", "--strategy", "zero-shot", "--name", "tuned")
    assert ran.code == 0, ran.err
    told = training_of(home, "tuned")
    assert len(set(told["head"]["stands_for"])) == len(told["classes"])
    assert told["outcome"] is None


def test_auto_takes_a_probe_for_few_pictures(zoo_cli, home):
    assert zoo_cli("finetune", "lenet", "digits", "--strategy", "auto", "--name", "tuned").code == 0
    plan = training_of(home, "tuned")["plan"]
    assert (plan["strategy"], plan["layer"]) == ("probe", "best")
    assert "below 1000: small" in plan["because"][0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs", "3"), "'epochs' has no meaning for the strategy probe"),
        (("--strategy", "auto", "--lr", "0.1"), "strategy auto"),
        (("--strategy", "full", "--init", "he"), "'init' has no meaning"),
        (("--strategy", "scratch", "--freeze", "conv1"), "random layers would stay random"),
        (("--strategy", "scratch", "--init", "magic"), "magic"),
        (("--strategy", "zero-shot", "--layer", "pool1"), "no codes of 'pool1'"),
        (("--strategy", "lp-ft", "--freeze", "conv9"), "conv9"),
        (("--strategy", "partial", "--freeze", "ip2"), "'ip2' cannot be frozen: it is the classif"),
        (("--strategy", "full", "--freeze", "prob"), "it comes after 'ip2', the classifier of"),
        (("--strategy", "lp-ft", "--freeze", "ip1", "--layer", "pool2"), "codes are taken at"),
    ],
)
def test_what_has_no_meaning_is_refused(zoo_cli, options, said):
    before = zoo_cli("jobs", "--json").json
    ran = zoo_cli("finetune", "lenet", "digits", *options)
    assert ran.code != 0
    assert said in ran.err
    assert zoo_cli("jobs", "--json").json == before


def test_a_sweep_queues_nothing_where_one_trial_would_be_refused(zoo_cli):
    before = zoo_cli("jobs", "--json").json
    for freeze, said in (("pool2,ip2", "it is the classifier"), ("pool2,pool9", "'pool9'")):
        ran = zoo_cli("sweep-params", "lenet", "digits", "--grid", f"freeze={freeze}")
        assert ran.code != 0
        assert said in ran.err
    assert zoo_cli("jobs", "--json").json == before


def test_what_freezes_is_asked_for_only_at_the_end_before_the_probe_is_published(home, monkeypatch):
    """As of a revision that is older than its layers.json."""
    monkeypatch.setattr(finetune_operation, "check_freeze", lambda *_, **__: None)
    with open_zoo(read_settings(home=home)) as zoo:
        job = run_job(zoo, strategy=Strategy.LP_FT, overrides=Overrides(freeze="ip2"))
        assert job.state is JobState.FAILED
        assert "'ip2' cannot be frozen: the new network ends before it" in str(job.error)
        with pytest.raises(ModelNotFound):
            get_revision(zoo, "tuned")


@pytest.mark.parametrize("strategy", ["lp-ft", "scratch"])
def test_one_training_picture_a_class_leaves_it_at_the_probe(
    zoo_cli, home, digits, tmp_path, strategy
):
    for label in sorted(one.name for one in digits.iterdir())[:2]:
        for split, picture in zip(
            ("train", "val"), sorted((digits / label).iterdir()), strict=False
        ):
            (tmp_path / "few" / split / label).mkdir(parents=True)
            shutil.copy(picture, tmp_path / "few" / split / label)
    ran = zoo_cli(
        "finetune", "lenet", str(tmp_path / "few"), "--strategy", strategy, "--name", "tuned"
    )
    assert ran.code == 0, ran.err
    plan = training_of(home, "tuned")["plan"]
    assert plan["strategy"] == "probe"
    assert "none can be held out" in plan["because"][-1]
    assert f"the strategy {strategy} gains anything" in ran.err
    ran = zoo_cli("sweep-params", "lenet", "few", "--grid", "lr=0.1,0.01")
    assert ran.code != 0
    assert "one training picture a class" in ran.err


def run_job(zoo, **options):
    job = enqueue_finetune(zoo, "lenet", "digits", name="tuned", **options)
    run(zoo, Progress(zoo, jobs.claim(zoo, worker="test", number=job.id)))
    return jobs.get_job(zoo, job.id)


def check_probe_stays(zoo):
    refs = get_model(zoo, "tuned").refs
    assert refs["main"] == refs["probe"]
    assert not list(zoo.trainings_folder.glob("*"))


def test_a_rate_that_is_too_high_is_told_and_the_probe_stays(home, monkeypatch):
    for name in ("lr", "head_lr"):  # Within the limits nothing so small diverges.
        monkeypatch.setitem(REAL_LIMITS, name, (0, 1e30))
    with open_zoo(read_settings(home=home)) as zoo:
        rates = Overrides(lr=1e30, head_lr=1e30)
        error = run_job(zoo, strategy=Strategy.FULL, overrides=rates).error["error"]
        assert error["code"] == "training_diverged"
        assert "At step" in error["message"]
        assert "/" in error["message"]  # pictures
        check_probe_stays(zoo)


def test_a_disk_that_fills_is_told_and_the_training_goes_on_when_there_is_room(home, monkeypatch):
    def full(path, _data):
        if path.suffix == ".safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_data)

    monkeypatch.setattr("zoo.worker.snapshots.write_whole", full)
    with open_zoo(read_settings(home=home)) as zoo:
        job = run_job(zoo, strategy=Strategy.LP_FT)
        assert job.state is JobState.QUEUED
        assert job.attempts[0].error["error"]["code"] == "storage_full"
        assert job.events[-1].step == "retry"
        refs = get_model(zoo, "tuned").refs
        assert refs["main"] == refs["probe"]
        monkeypatch.undo()

        def read_later(db):
            return replace(read_clock(db), at_s=read_clock(db).at_s + 60)

        due = replace(zoo, lease_clock=read_later)
        run(due, Progress(due, jobs.claim(due, worker="test", number=job.id)))
        assert jobs.get_job(zoo, job.id).state is JobState.SUCCEEDED


class StopsAt(Progress):
    """The voice of an attempt that is asked to stop at a step of its training."""

    def count(self, step, message, done, total):
        if step == "train" and done >= self.zoo.settings.web_threads:  # a number to pass it by
            self.stop.set()
        super().count(step, message, done, total)


def test_an_interrupted_training_goes_on_to_the_same_weights(home):
    with open_zoo(read_settings(home=home)) as zoo:
        options = {"strategy": Strategy.LP_FT, "overrides": Overrides(epochs=3, batch=2)}
        plain = enqueue_finetune(zoo, "lenet", "digits", name="plain", **options)
        run(zoo, Progress(zoo, jobs.claim(zoo, worker="test", number=plain.id)))
        assert jobs.get_job(zoo, plain.id).state.value == "succeeded"
        broken = enqueue_finetune(zoo, "lenet", "digits", name="broken", **options)
    for stop in (5, 17, 33):
        with open_zoo(read_settings(home=home, web_threads=stop)) as zoo:
            attempt = jobs.claim(zoo, worker="test", number=broken.id)
            run(zoo, StopsAt(zoo, attempt))
            assert jobs.get_job(zoo, broken.id).state.value == "queued"
            assert list(zoo.trainings_folder.glob(f"{broken.id}-*/*.safetensors"))
    with open_zoo(read_settings(home=home)) as zoo:
        run(zoo, Progress(zoo, jobs.claim(zoo, worker="test", number=broken.id)))
        assert jobs.get_job(zoo, broken.id).state.value == "succeeded"
        assert not list(zoo.trainings_folder.glob("*"))
    one, other = (weights_of(home, f"{name}:lp-ft") for name in ("plain", "broken"))
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert np.array_equal(tensor, other[name]), name
    told = training_of(home, "broken:lp-ft")["outcome"]
    assert told["resumed_at_step"] > 0
    assert told["curve"] == training_of(home, "plain:lp-ft")["outcome"]["curve"]


def test_jobs_over_rest_take_strategies(client, work):
    body = {
        "model": "lenet",
        "dataset": "digits",
        "name": "tuned",
        "strategy": "lp-ft",
        "epochs": 1,
    }
    answer = client.post("/v1/jobs", json=body)
    assert answer.status_code == 202, answer.json
    assert work()[-1].state.value == "succeeded"
    refused = client.post("/v1/jobs", json=body | {"strategy": "probe"})
    assert refused.status_code == 422
    assert client.post("/v1/jobs", json=body | {"epochs": 0}).status_code == 400


@pytest.mark.parametrize("name", ["second", "first"])
def test_a_job_of_the_number_of_one_before_a_restore_takes_nothing_of_it(home, tmp_path, name):
    options = {"strategy": Strategy.LP_FT, "overrides": Overrides(epochs=1, batch=8)}
    with open_zoo(read_settings(home=home, web_threads=3)) as zoo:
        back_up(zoo, tmp_path / "before.backup")
        first = enqueue_finetune(zoo, "lenet", "digits", name="first", **options)
        run(zoo, StopsAt(zoo, jobs.claim(zoo, worker="test", number=first.id)))
        assert list(zoo.trainings_folder.glob("*/first.json"))
        restore(zoo, tmp_path / "before.backup", replaces=True)
        again = enqueue_finetune(zoo, "lenet", "digits", name=name, **options)
        assert again.id == first.id
        run(zoo, Progress(zoo, jobs.claim(zoo, worker="test", number=again.id)))
        done = jobs.get_job(zoo, again.id)
        assert done.state.value == "succeeded", done.error
        assert get_revision(zoo, done.result["revision"]).job == again.id
        assert done.result["revision"].startswith(f"{name}@")


def test_a_probe_that_a_restored_catalog_does_not_know_of_is_published_again(home, tmp_path):
    options = {"strategy": Strategy.LP_FT, "overrides": Overrides(epochs=1, batch=8)}
    with open_zoo(read_settings(home=home, web_threads=3)) as zoo:
        job = enqueue_finetune(zoo, "lenet", "digits", name="mine", **options)
        back_up(zoo, tmp_path / "before.backup")
        run(zoo, StopsAt(zoo, jobs.claim(zoo, worker="test", number=job.id)))
        restore(zoo, tmp_path / "before.backup", replaces=True)
        run(zoo, Progress(zoo, jobs.claim(zoo, worker="test", number=job.id)))
        done = jobs.get_job(zoo, job.id)
        assert done.state.value == "succeeded", done.error
        assert get_revision(zoo, "mine:probe").job == job.id
