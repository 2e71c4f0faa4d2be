"""States of jobs."""

import pytest

from zoo.domain.job import JobState


@pytest.mark.parametrize("state", JobState)
def test_a_job_is_over_when_it_succeeded_failed_or_was_cancelled(state):
    assert state.is_final == (state.value in {"succeeded", "failed", "cancelled"})
