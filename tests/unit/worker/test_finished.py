"""Folders of jobs in caches: one a job, for as long as it is not at its end."""

from dataclasses import replace
from datetime import timedelta

import pytest

from zoo.domain.job import JobKind
from zoo.operations import jobs, steering
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings
from zoo.worker.finished import clear_finished, job_folder


@pytest.fixture
def zoo(tmp_path):
    with open_zoo(read_settings(home=tmp_path / "home")) as opened:
        yield opened


@pytest.fixture
def job(zoo):
    return jobs.enqueue(zoo, JobKind.FINETUNE, {"name": "first"})


def test_a_job_has_the_same_folder_whenever_it_is_asked_for(zoo, job, tmp_path):
    assert job_folder(tmp_path, jobs.get_job(zoo, job.id)) == job_folder(tmp_path, job)


@pytest.mark.parametrize(
    "other",
    [
        {"params": {"name": "second"}},
        {"kind": JobKind.PREDICT},
        {"account": "ada"},
        {"created_at": timedelta(microseconds=1)},
    ],
)
def test_another_job_of_the_same_number_has_another_folder(job, tmp_path, other):
    if "created_at" in other:
        other = {"created_at": job.created_at + other["created_at"]}
    assert job_folder(tmp_path, replace(job, **other)) != job_folder(tmp_path, job)


def test_what_is_finished_or_of_a_catalog_of_before_is_removed_and_nothing_else(zoo, job, tmp_path):
    root = tmp_path / "trainings"
    own, foreign = job_folder(root, job), job_folder(root, replace(job, account="ada"))
    older, gone, odd = root / str(job.id), root / "99-abc", root / "notes"
    for folder in (own, foreign, older, gone, odd):
        folder.mkdir(parents=True)
    clear_finished(zoo, root)
    assert set(root.iterdir()) == {own, older, odd}
    steering.cancel(zoo, job.id)
    clear_finished(zoo, root)
    assert set(root.iterdir()) == {odd}
