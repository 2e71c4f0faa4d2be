"""A job publishes each of its revisions once, wherever its process was killed in between."""

import pytest

from zoo.domain.job import JobState
from zoo.domain.plan import Strategy
from zoo.domain.training import Overrides
from zoo.operations import failing, jobs
from zoo.operations.fetch import get_revision, list_revisions
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker import finetune
from zoo.worker.progress import Progress
from zoo.worker.run import run
from zoo.worker.snapshots import Snapshots


class Killed(BaseException):
    """What no body hears of."""


def kill(*_given):
    raise Killed


@pytest.mark.parametrize(
    ("room", "name"), [(Snapshots, "keep_first"), (finetune, "_end")], ids=["probe", "full"]
)
def test_what_was_published_before_a_kill_is_not_published_again(
    home, stocked, monkeypatch, room, name
):
    assert home == stocked
    overrides = Overrides(epochs=1, lr=1e-9, head_lr=1e-9)  # It ends no better than the probe.
    with open_zoo(read_settings(home=home)) as zoo:
        job = enqueue_finetune(
            zoo, "lenet", "digits", name="mine", strategy=Strategy.FULL, overrides=overrides
        )
        attempt = jobs.claim(zoo, worker="the test")
        with monkeypatch.context() as patched:
            patched.setattr(room, name, kill)
            with pytest.raises(Killed):
                run(zoo, Progress(zoo, attempt))
        published = {one.id for one in list_revisions(zoo, "mine")}
        failing.lose(zoo, attempt)
        run(zoo, Progress(zoo, jobs.claim(zoo, worker="the test")))
        assert jobs.get_job(zoo, job.id).state is JobState.SUCCEEDED
        ended = {one.id for one in list_revisions(zoo, "mine")}
        assert published <= ended
        assert ended == {get_revision(zoo, f"mine:{ref}").id for ref in ("probe", "full")}
        assert get_revision(zoo, "mine").id == get_revision(zoo, "mine:probe").id
