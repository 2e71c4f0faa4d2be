"""`zoo predict` of many pictures: where they come from, where answers go, what is unreadable."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from werkzeug.serving import make_server

pytestmark = pytest.mark.usefixtures("stocked")
DEADLINE_S = 60
UNREADABLE = 8  # what a command ends with


@pytest.fixture
def sevens(digits):
    return sorted((digits / "7").iterdir())


@pytest.fixture
def spoiled(tmp_path, sevens):
    """A folder of five pictures, one of them unreadable, and a text."""
    folder = tmp_path / "spoiled"
    folder.mkdir()
    for number, path in enumerate(sevens[:4]):
        (folder / f"{number}.png").write_bytes(path.read_bytes())
    (folder / "2.png").write_bytes(sevens[2].read_bytes()[:40])
    (folder / "notes.txt").touch()
    return folder


@pytest.fixture
def url(app):
    """The address of a server over the home."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def labels(records):
    return [one["scores"][0]["label"] for one in records]


def test_a_folder_is_predicted_with_all_below_it(zoo_cli, digits):
    ran = zoo_cli("predict", "lenet-digits", digits, "--json")
    pictures = sorted(path for path in digits.rglob("*.png"))
    assert [one["picture"] for one in ran.json] == [str(path) for path in pictures]
    right = [
        path.parent.name == label for path, label in zip(pictures, labels(ran.json), strict=True)
    ]
    assert sum(right) > 40
    assert "50 predicted, 0 unreadable" in ran.err


def test_lists_come_by_lines_and_by_nuls(zoo_cli, sevens, tmp_path, monkeypatch):
    expected = zoo_cli("predict", "lenet-digits", *sevens, "--json").json
    given = {"\n": "lines", "\0": "nuls"}
    for end, name in given.items():
        data = "".join(f"{path}{end}" for path in sevens).encode()
        (tmp_path / name).write_bytes(data)
        listed = zoo_cli("predict", "lenet-digits", "--from-list", tmp_path / name, "--json")
        assert listed.json == expected
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
        assert zoo_cli("predict", "lenet-digits", "-", "--json").json == expected


def test_text_csv_and_json_lines_say_the_same(zoo_cli, sevens):
    ask = ("predict", "lenet-digits", *sevens[:3], "--top", "2")
    expected = zoo_cli(*ask, "--json").json
    assert [json.loads(line) for line in zoo_cli(*ask, "--jsonl", "-").out.splitlines()] == expected
    rows = list(csv.DictReader(io.StringIO(zoo_cli(*ask, "--csv", "-").out)))
    for row, one, text in zip(rows, expected, zoo_cli(*ask).out.splitlines(), strict=True):
        first, second = one["scores"]
        assert (row["picture"], row["model"], row["error"]) == (one["picture"], one["model"], "")
        assert (row["label_1"], row["label_2"]) == (first["label"], second["label"])
        assert float(row["probability_1"]) == pytest.approx(first["probability"], rel=1e-5)
        assert text.startswith(f"{one['picture']}: {first['label']} {first['probability']:.3f}")


def test_an_unreadable_picture_is_told_and_counted(zoo_cli, spoiled):
    ran = zoo_cli("predict", "lenet-digits", spoiled, "--top", "1")
    assert ran.code == 8
    assert [line.split(": ")[0] for line in ran.out.splitlines()] == [
        str(spoiled / f"{number}.png") for number in (0, 1, 3)
    ]
    assert f"unreadable: {spoiled / '2.png'}: damaged or cut short" in ran.err
    assert "passed over 1 files" in ran.err
    assert "1 of 4 pictures cannot be read" in ran.err
    as_json = zoo_cli("predict", "lenet-digits", spoiled, "--json")
    assert as_json.code == 8
    assert [one.get("error", {}).get("code") for one in as_json.json] == [
        None,
        None,
        "unreadable_picture",
        None,
    ]


def test_the_strict_end_at_it_and_go_on_when_it_is_mended(zoo_cli, spoiled, sevens, tmp_path):
    ask = ("predict", "lenet-digits", spoiled, "--strict", "--jsonl", tmp_path / "out.jsonl")
    ran = zoo_cli(*ask)
    assert ran.code == 1
    assert ran.err.splitlines()[-2].startswith(f"error: {spoiled / '2.png'}: damaged")
    assert not (tmp_path / "out.jsonl").exists()
    assert (tmp_path / "out.jsonl.part" / "lines").read_text().count("\n") == 2
    (spoiled / "2.png").write_bytes(sevens[2].read_bytes())
    assert zoo_cli(*ask).code == 0
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert records == zoo_cli("predict", "lenet-digits", spoiled, "--json").json


def test_a_file_is_never_written_over(zoo_cli, sevens, tmp_path):
    path = tmp_path / "out.csv"
    path.write_text("mine")
    ran = zoo_cli("predict", "lenet-digits", *sevens, "--csv", path)
    assert (ran.code, path.read_text()) == (1, "mine")
    assert f"{path} exists already" in ran.err


HELD = """
import time
from zoo.commands.main import main
from zoo.operations import bulk

read = bulk.read_picture

def hold(path, *rest, **more):
    if path.name == "held.png":
        time.sleep(3600)
    return read(path, *rest, **more)

bulk.read_picture = hold
main()
"""


@pytest.mark.timeout(120)
def test_a_pipe_among_the_pictures_is_refused_and_not_waited_for(zoo_cli, sevens, tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "seven.png").write_bytes(sevens[0].read_bytes())
    for given in ((sevens[0], tmp_path / "pipe.png"), (tmp_path,)):
        ran = zoo_cli("predict", "lenet-digits", *given)
        assert ran.code == UNREADABLE
        assert "pipe.png: not a plain file." in ran.err


@pytest.mark.parametrize("flag", ["--csv", "--jsonl"])
def test_a_killed_run_goes_on_to_the_same_file(zoo_cli, home, digits, tmp_path, flag):
    """A picture that is never read holds the process up, so that it is killed in the middle."""
    pictures = sorted(digits.rglob("*.png"))
    held = tmp_path / "held.png"
    held.write_bytes(pictures[0].read_bytes())
    given = [*pictures[:30], held, *pictures[30:]]
    ask = ["predict", "lenet-digits", *map(str, given), flag]
    process = subprocess.Popen(
        [sys.executable, "-c", HELD, *ask, "out"],
        env=os.environ | {"ZOO_HOME": str(home)},
        cwd=tmp_path,
        stderr=subprocess.DEVNULL,
    )
    lines = tmp_path / "out.part" / "lines"
    begun = time.monotonic()
    while not lines.exists() or lines.read_bytes().count(b"\n") < 20:
        assert time.monotonic() - begun < DEADLINE_S
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    kept = lines.read_bytes()
    lines.write_bytes(kept[:-5])
    assert zoo_cli(*ask, tmp_path / "out").code == 0
    assert zoo_cli(*ask, tmp_path / "whole").code == 0
    assert (tmp_path / "out").read_bytes() == (tmp_path / "whole").read_bytes()
    assert (tmp_path / "out").read_bytes().startswith(kept[:-5])
    assert not (tmp_path / "out.part").exists()


def test_a_beginning_of_other_answers_is_not_gone_on_with(zoo_cli, spoiled, tmp_path):
    ask = ("predict", "lenet-digits", spoiled, "--strict", "--csv", tmp_path / "out.csv")
    assert zoo_cli(*ask).code == 1
    ran = zoo_cli(*ask, "--top", "2")
    assert ran.code == 1
    assert "holds the beginning of other answers" in ran.err
    assert f"rm -r {tmp_path / 'out.csv.part'}" in ran.err


def test_the_pictures_of_a_dataset_are_held_against_their_labels(zoo_cli):
    ran = zoo_cli("predict", "lenet-digits", "--dataset", "digits", "--split", "val", "--json")
    told = zoo_cli("eval", "lenet-digits", "digits", "--json").json["accuracy"]
    right = sum(one["truth"] == one["scores"][0]["label"] for one in ran.json)
    assert (right, len(ran.json)) == (told["right"], told["total"])
    assert f"{told['right']} of {told['total']} pictures" in ran.err
    every = zoo_cli("predict", "lenet-digits", "--dataset", "digits", "--csv", "-")
    assert len(every.out.splitlines()) == 51
    assert every.out.startswith("picture,truth,model,")


def test_classes_that_the_model_does_not_know_are_counted_apart(zoo_cli):
    ran = zoo_cli("predict", "lenet", "--dataset", "digits", "--split", "val", "--top", "1")
    assert ran.code == 0
    assert "10 are labelled as a class that it does not know" in ran.err
    assert "accuracy" not in ran.err


def test_below_the_threshold_nothing_is_told(zoo_cli, sevens):
    ran = zoo_cli("predict", "lenet-digits", *sevens[:2], "--threshold", "1")
    assert all(line.endswith("nothing at 1 or more") for line in ran.out.splitlines())


def test_a_server_says_the_same(zoo_cli, url, digits, spoiled):
    here = zoo_cli("predict", "lenet-digits", digits, "--json")
    there = zoo_cli("predict", "lenet-digits", digits, "--json", "--at", url)
    assert (there.code, there.json) == (0, here.json)
    here = zoo_cli("predict", "lenet-digits", spoiled, spoiled / "nowhere.png", "--json")
    there = zoo_cli(
        "predict", "lenet-digits", spoiled, spoiled / "nowhere.png", "--json", "--at", url
    )
    assert there.code == here.code == 8
    assert [one["picture"] for one in there.json] == [one["picture"] for one in here.json]
    for ours, theirs in zip(here.json, there.json, strict=True):
        assert ours.get("scores") == theirs.get("scores")
        assert ours.get("error", {}).get("message") == theirs.get("error", {}).get("message")


def test_a_server_that_asks_to_wait_is_waited_for(zoo_cli, make_app, sevens, monkeypatch):
    waits = []
    monkeypatch.setattr("zoo.client.predictions.time.sleep", waits.append)
    app = make_app()
    refuse = iter([True, True])

    @app.before_request
    def refuse_twice():
        from flask import request  # noqa: PLC0415

        from zoo.errors import TooManyRequests  # noqa: PLC0415

        if request.path.endswith("/predict") and next(refuse, False):
            raise TooManyRequests("Not so fast.", retry_after_s=7)

    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    at = f"http://127.0.0.1:{server.server_port}"
    ran = zoo_cli("predict", "lenet-digits", *sevens, "--json", "--at", at)
    server.shutdown()
    thread.join()
    server.server_close()
    assert (ran.code, len(ran.json)) == (0, len(sevens))
    assert waits == [7, 7]


def test_a_model_that_a_server_lacks_is_said(zoo_cli, url, sevens):
    ran = zoo_cli("predict", "nothing", *sevens, "--at", url)
    assert ran.code == 3
    assert zoo_cli("predict", "lenet-digits", *sevens, "--at", "http://127.0.0.1:1").code == 7


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--csv", "a", "--json"], "Give one of"),
        (["--dataset", "digits", "a.png"], "not both"),
        (["--split", "val", "a.png"], "--dataset too"),
        (["--dataset", "digits", "--at", "http://127.0.0.1:1"], "not with --at"),
        (["--threshold", "2", "a.png"], "--threshold"),
        (["--top", "0", "a.png"], "--top"),
    ],
    ids=" ".join,
)
def test_wrong_usage_is_told(zoo_cli, arguments, told):
    ran = zoo_cli("predict", "lenet-digits", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_an_empty_list_is_said(zoo_cli, tmp_path):
    (tmp_path / "list").touch()
    ran = zoo_cli("predict", "lenet-digits", "--from-list", tmp_path / "list")
    assert ran.code == 3
    assert "names no picture" in ran.err
    assert zoo_cli("predict", "lenet-digits", "--from-list", tmp_path / "none").code == 3
