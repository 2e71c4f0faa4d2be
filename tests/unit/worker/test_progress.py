"""What a job's process says, and how it hears that it should stop."""

import threading
from dataclasses import replace

import pytest

from zoo.domain.job import JobKind
from zoo.errors import CatalogUnavailable, Interrupted, LeaseLost
from zoo.operations import jobs, steering
from zoo.settings import read_settings
from zoo.worker.progress import Progress


@pytest.fixture
def progress(zoo):
    job = jobs.enqueue(zoo, JobKind.FINETUNE, {"model": "m"})
    return Progress(zoo, jobs.claim(zoo, worker="w", number=job.id))


def said(progress):
    return [
        (event.step, event.message, event.done, event.total)
        for event in jobs.get_job(progress.zoo, progress.attempt.job).events
    ]


def test_a_sentence_is_kept(progress):
    progress.say("plan", "because")
    assert said(progress) == [("plan", "because", None, None)]


def test_counts_are_kept_now_and_then_and_always_the_last(progress):
    for done in range(1, 101):
        progress.count("codes", "pictures", done, 100)
    kept = said(progress)
    assert len(kept) < 100
    assert kept[-1] == ("codes", "pictures", 100, 100)


def test_every_word_is_a_chance_to_stop(progress):
    progress.stop.set()
    with pytest.raises(Interrupted):
        progress.say("plan", "because")
    with pytest.raises(Interrupted):
        progress.count("codes", "pictures", 1, 2)


def test_an_attempt_that_lost_its_lease_hears_it_at_its_next_word(progress):
    progress.lost.set()
    with pytest.raises(LeaseLost):
        progress.check()


def test_a_cancelled_job_is_told_by_the_heartbeat(zoo, progress):
    # A lease of nothing beats at once.
    quick = Progress(replace(zoo, settings=read_settings(lease_s=0.01)), progress.attempt)
    steering.cancel(zoo, progress.attempt.job)
    beat = threading.Thread(target=quick.beat)
    beat.start()
    assert quick.lost.wait(30)
    beat.join()


def test_a_silent_moment_of_the_catalog_takes_no_lease_away(zoo, progress, monkeypatch):
    quick = Progress(replace(zoo, settings=read_settings(lease_s=0.2)), progress.attempt)
    answers = iter([CatalogUnavailable("gone")])
    beats = []

    def keep_alive(_zoo, _attempt):
        for fault in answers:
            raise fault
        beats.append(True)
        quick.stop.set()

    monkeypatch.setattr(jobs, "keep_alive", keep_alive)
    quick.beat()
    assert (beats, quick.lost.is_set()) == ([True], False)


def test_a_catalog_that_never_answers_again_takes_the_lease_away(zoo, progress, monkeypatch):
    quick = Progress(replace(zoo, settings=read_settings(lease_s=0.05)), progress.attempt)

    def keep_alive(_zoo, _attempt):
        raise CatalogUnavailable

    monkeypatch.setattr(jobs, "keep_alive", keep_alive)
    quick.beat()
    assert quick.lost.is_set()
