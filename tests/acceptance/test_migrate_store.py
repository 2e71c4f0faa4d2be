"""`zoo migrate-store`, killed on the way and run again."""

import time

from zoo.catalog import copying
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.scrub import scrub
from zoo.settings import read_settings

SAFETY_S = 300
COUNT = 60


def content(home):
    with open_zoo(read_settings(home=home)) as zoo:
        with zoo.catalog.reading() as db:
            tables = copying.measure(db.connection())
        assert scrub(zoo) == []
        return tables, list(zoo.blobs.list_blobs())


def test_a_move_that_is_killed_loses_nothing_and_goes_on(zoo_command, tmp_path):
    with open_zoo(read_settings(home=zoo_command.home)) as zoo:
        files = {f"file-{n}": zoo.blobs.put([n.to_bytes(4) * 2**18]) for n in range(COUNT)}
        publish(zoo, Publication(model="net", files=files, message="made"))
    before = content(zoo_command.home)
    there = tmp_path / "there"
    moving = zoo_command.start("migrate-store", "--to-home", there)
    give_up = time.monotonic() + SAFETY_S
    while not list(there.glob("blobs/??/*")) and time.monotonic() < give_up:
        time.sleep(0.001)
    moving.kill()
    moving.communicate()
    assert content(zoo_command.home) == before
    assert "every one is the same" in zoo_command.ok("migrate-store", "--to-home", there).out
    assert content(there) == content(zoo_command.home) == before
