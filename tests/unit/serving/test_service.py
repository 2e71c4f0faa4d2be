"""What a process holds open: which threads it counts as busy."""

import pytest

from zoo.serving.service import Service
from zoo.settings import Settings


@pytest.fixture
def service(tmp_path):
    service = Service.open(Settings(home=tmp_path), cache=tmp_path)
    yield service
    service.close()


def test_a_run_keeps_to_its_core_while_others_work_on_their_requests(service):
    runners = service.desk.dispatcher.runners
    runners.count, runners.busy = 2, 1
    service.at_work.add(1)
    assert not runners.are_cores_busy  # the one that runs
    service.at_work.add(2)
    assert runners.are_cores_busy
    service.at_work.clear()
    with service.turns.hold() as take:
        take(1)
        assert runners.are_cores_busy
    assert not runners.are_cores_busy
    runners.busy = 0  # Else closing would wait for the run.
