"""A store in S3, or what speaks as it does."""

import pytest

from zoo.operations.opening import open_blobs
from zoo.settings import read_settings


@pytest.fixture
def open_s3(s3_settings, tmp_path):
    """A function that opens the store, as a machine of some name does."""

    def opened(machine="one", **more):
        return open_blobs(read_settings(home=tmp_path / machine, **(s3_settings | more)))

    return opened


@pytest.fixture
def s3_blobs(open_s3):
    return open_s3()
