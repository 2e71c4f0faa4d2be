"""Every kind of job has a body that can be imported."""

import importlib

import pytest

from zoo.domain.job import JobKind
from zoo.worker.table import BODIES


@pytest.mark.parametrize("kind", list(JobKind))
def test_every_kind_of_job_has_a_body(kind):
    assert callable(importlib.import_module(f"zoo.worker.{BODIES[kind]}").run)
