"""Cores are counted by affinity and by the quota of the cgroup."""

import os

import pytest

from zoo.serving import cores


@pytest.fixture
def quota(monkeypatch, tmp_path):
    """Write the quota of a cgroup, of version 2 or 1."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for name in ("QUOTA_V2", "QUOTA_V1", "PERIOD_V1"):
        monkeypatch.setattr(cores, name, tmp_path / name)

    def quota(**files):
        for name, text in files.items():
            (tmp_path / name).write_text(text)
        return cores.count_cores()

    return quota


@pytest.mark.parametrize(
    ("files", "count"),
    [
        ({}, 8),
        ({"QUOTA_V2": "max 100000\n"}, 8),
        ({"QUOTA_V2": "200000 100000\n"}, 2),
        ({"QUOTA_V2": "250000 100000\n"}, 3),
        ({"QUOTA_V2": "50000 100000\n"}, 1),
        ({"QUOTA_V2": "9900000 100000\n"}, 8),
        ({"QUOTA_V2": ""}, 8),
        ({"QUOTA_V1": "400000\n", "PERIOD_V1": "100000\n"}, 4),
        ({"QUOTA_V1": "-1\n", "PERIOD_V1": "100000\n"}, 8),
        ({"QUOTA_V1": "1000\n", "PERIOD_V1": "0\n"}, 8),
    ],
)
def test_the_quota_bounds_what_the_affinity_allows(quota, files, count):
    assert quota(**files) == count
