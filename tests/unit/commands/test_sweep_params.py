"""Trials over a zoo that tells their curves as a test wants them."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from zoo.commands.sweep_params import Sweep
from zoo.domain.job import Job, JobEvent, JobKind, JobState
from zoo.domain.plan import Strategy
from zoo.domain.training import EPOCH, Measured, Overrides
from zoo.domain.trials import Halving

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD, BAD, WORST = (Overrides(lr=lr) for lr in (0.1, 1.0, 5.0))
LOSSES = {0.1: [3, 1, 0.5], 1.0: [3, 2, 1.5], 5.0: [3, 4, 5]}


class Told:
    """A zoo in which every look finds each job an epoch further."""

    def __init__(self):
        self.jobs = {}

    def list_jobs(self):
        return [replace(one, events=()) for one in self.jobs.values()]

    def go_through_jobs(self, wish):
        return iter([one for one in reversed(self.list_jobs()) if is_wished(one, wish)])

    def get_job(self, number):
        return self.jobs[number]

    def cancel_job(self, number):
        self.jobs[number] = replace(self.jobs[number], state=JobState.CANCELLED)

    def enqueue_finetune(self, model, dataset, **given):
        number = len(self.jobs) + 1
        params = {
            "model": model,
            "dataset": dataset,
            "name": given["name"],
            "seed": given["seed"],
            "strategy": given["strategy"].value,
            "training": given["overrides"].as_json(),
        }
        self.jobs[number] = Job(
            id=number,
            kind=JobKind.FINETUNE,
            state=JobState.QUEUED,
            params=params,
            attempt=0,
            created_at=NOW,
        )
        return self.jobs[number]

    def finish_jobs(self, numbers, look):
        for number in numbers:
            while not self.jobs[number].state.is_final:
                self.jobs[number] = further(self.jobs[number])
                look(self.jobs[number])
            look(self.jobs[number])


def is_wished(job, wish):
    found = (job.kind, job.params["model"], job.params["dataset"])
    return found == (wish.kind, wish.model, wish.dataset)


def further(job):
    losses = LOSSES[job.params["training"]["lr"]]
    epoch = len(job.events)
    told = Measured(
        epoch=epoch,
        rate=1,
        training_loss=None,
        held_out_loss=losses[epoch],
        held_out_accuracy=0,
    )
    event = JobEvent(number=epoch + 1, attempt=1, at=NOW, step=EPOCH, message=str(told))
    is_last = epoch + 1 == len(losses)
    return replace(
        job,
        events=(*job.events, event),
        state=JobState.SUCCEEDED if is_last else JobState.RUNNING,
        result={"accuracy": None} if is_last else None,
    )


@pytest.fixture
def at():
    return Told()


def sweep(at, halving=None, trials=(BAD, GOOD, WORST), **given):
    made = Sweep(
        at=at,
        model="m@1",
        dataset="d@1",
        name="m-d",
        strategy=Strategy.FULL,
        seed=0,
        halving=halving,
        **given,
    )
    made.begin(trials)
    made.finish()
    return made


def test_the_best_is_the_one_of_the_lowest_held_out_loss(at):
    ended = sweep(at)
    assert ended.best.name == "m-d-2"
    told = ended.as_json()
    assert [one["held_out_loss"] for one in told["trials"]] == [1.5, 0.5, 3]
    assert {one["state"] for one in told["trials"]} == {"succeeded"}


def test_what_was_trained_is_told_where_the_probe_stayed(at):
    ended = sweep(at, trials=(GOOD,))
    (trial,) = ended.trials
    probe, network = {"value": 0.9}, {"value": 0.3}
    told = {"accuracy": probe, "revision": "m-d-1@a", "verdict": "the probe stays"}
    beside = {"trained": "m-d-1@b", "trained_accuracy": network}
    trial.job = replace(trial.job, result=told)
    assert (trial.as_json()["accuracy"], trial.address) == (probe, "m-d-1")
    trial.job = replace(trial.job, result=told | beside)
    assert (trial.as_json()["accuracy"], trial.address) == (network, "m-d-1:full")
    assert trial.as_json()["revision"] == "m-d-1@b"


def test_trials_that_fall_behind_are_ended_and_told_so(at, capsys):
    ended = sweep(at, Halving(least=1, factor=3))
    told = [(one["state"], one["epochs"]) for one in ended.as_json()["trials"]]
    assert told == [("succeeded", 2), ("succeeded", 2), ("behind", 1)]
    assert ended.best.name == "m-d-2"
    assert "m-d-3 falls behind" in capsys.readouterr().err


def test_what_had_ended_is_not_run_twice(at):
    sweep(at, trials=(BAD, GOOD))
    again = sweep(at)
    assert sorted(at.jobs) == [1, 2, 3]
    assert again.best.name == "m-d-2"
    sweep(at, trials=(GOOD,))  # m-d-1 is another trial now
    assert sorted(at.jobs) == [1, 2, 3, 4]


def test_a_trial_that_was_put_aside_is_told_with_how_to_go_on(at, capsys):
    def finish_jobs(numbers, look):
        for number in numbers:
            at.jobs[number] = replace(at.jobs[number], state=JobState.PAUSED)
            look(at.jobs[number])

    at.finish_jobs = finish_jobs
    ended = sweep(at, trials=(GOOD,))
    assert ended.as_json()["trials"][0]["state"] == "paused"
    assert ended.best is None
    told = capsys.readouterr().err
    assert "m-d-1 was put aside (job 1)" in told
    assert "run the same command again" in told


def test_without_a_trial_that_came_to_its_end_there_is_no_best(at):
    ended = sweep(at, trials=())
    assert ended.best is None
