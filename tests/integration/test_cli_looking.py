"""Commands that look at a zoo: list, show, datasets, jobs, db, doctor, predict, export."""

import json

import pytest

from zoo.catalog.database import SCHEMA
from zoo.operations import failing, jobs
from zoo.operations.finetune import enqueue_finetune
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")


def table(text):
    """Give the header and the rows of a table as lists of words."""
    header, *lines = text.splitlines()
    return header.split(), [line.split() for line in lines]


def test_list_shows_a_table_of_models(zoo_cli):
    header, rows = table(zoo_cli("list").out)
    assert header == ["NAME", "REVISION", "CLASSES", "PARAMS", "SIZE", "ACCURACY", "PARENT"]
    assert [row[0] for row in rows] == ["lenet", "lenet-digits"]
    assert rows[1][-1] == "lenet"
    assert {row[2] for row in rows} == {"5"}


def test_columns_stand_under_their_names(zoo_cli):
    lines = zoo_cli("list").out.splitlines()
    start = lines[0].index("REVISION")
    assert all(line[start - 1] == " " and line[start] != " " for line in lines)


def test_list_as_json(zoo_cli):
    lenet, tuned = zoo_cli("list", "--json").json
    assert lenet["name"] == "lenet"
    assert lenet["refs"] == {"main": lenet["revision"]}
    assert tuned["summary"]["accuracy"].keys() >= {"value", "low", "high", "right", "total"}
    assert tuned["size_bytes"] > 0


def test_an_empty_zoo_lists_nothing_and_says_what_to_do(zoo_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "empty"))
    ran = zoo_cli("list")
    assert ran.code == 0
    assert table(ran.out)[1] == []
    assert "zoo quickstart" in ran.err
    assert zoo_cli("list", "--json").json == []


def test_show_tells_where_a_model_comes_from(zoo_cli):
    shown = zoo_cli("show", "lenet-digits").out
    assert "(main)" in shown
    assert "parent      lenet@" in shown
    assert "dataset     digits@" in shown
    assert "accuracy" in shown


def test_show_as_json(zoo_cli):
    revision = zoo_cli("show", "lenet-digits", "--json").json
    assert revision["model"] == "lenet-digits"
    assert len(revision["id"]) == 40
    assert {file["path"] for file in revision["files"]} >= {"model.onnx", "training.json"}


def test_show_files_lists_them_with_their_digests(zoo_cli):
    header, rows = table(zoo_cli("show", "lenet", "--files").out)
    assert header == ["PATH", "SIZE", "SHA256"]
    assert "lenet_digits.caffemodel" in [row[0] for row in rows]
    assert all(len(row[-1]) == 64 for row in rows)


def test_show_card_prints_it(zoo_cli):
    card = zoo_cli("show", "lenet-digits", "--card").out
    assert card.startswith("---\n")
    assert "base_model: lenet@" in card
    assert "95 % interval" in card


def test_show_history_lists_revisions_and_moves(zoo_cli):
    shown = zoo_cli("show", "lenet", "--history").out
    assert shown.startswith("REVISION")
    assert "main: - -> " in shown


def test_a_revision_is_shown_by_ref_and_by_id(zoo_cli):
    identity = zoo_cli("show", "lenet", "--json").json["id"]
    for address in ("lenet:main", f"lenet@{identity}", f"lenet@{identity[:7]}"):
        assert zoo_cli("show", address, "--json").json["id"] == identity


def test_datasets_are_listed_and_shown(zoo_cli):
    header, ((name, _, *counts),) = table(zoo_cli("datasets", "list").out)
    assert header == ["NAME", "ID", "CLASSES", "TRAIN", "VAL", "SKIPPED"]
    assert (name, counts) == ("digits", ["5", "40", "10", "0"])
    (listed,) = zoo_cli("datasets", "list", "--json").json
    shown = zoo_cli("datasets", "show", "digits", "--json").json
    assert (listed["id"], listed["counts"]) == (shown["id"], shown["counts"])
    assert zoo_cli("datasets", "show", f"digits@{shown['id']}").out.startswith("digits@")


def test_a_dataset_is_added_and_what_is_no_picture_is_told(zoo_cli, digits, tmp_path):
    folder = tmp_path / "mixed"
    for label in ("5", "6"):
        (folder / label).mkdir(parents=True)
        for path in (digits / label).iterdir():
            (folder / label / path.name).write_bytes(path.read_bytes())
    (folder / "5" / "notes.jpg").write_text("no picture")
    ran = zoo_cli("datasets", "add", folder, "--json")
    assert ran.code == 0
    assert ran.json["counts"] == {"train": {"5": 8, "6": 8}, "val": {"5": 2, "6": 2}}
    assert [skipped["path"] for skipped in ran.json["skipped"]] == ["5/notes.jpg"]
    assert "skipped 5/notes.jpg: " in ran.err
    assert "skipped 5/notes.jpg: " in zoo_cli("datasets", "show", "mixed").out
    assert zoo_cli("datasets", "add", folder).err.endswith("next: zoo finetune MODEL mixed\n")


def test_jobs_are_listed(zoo_cli):
    header, rows = table(zoo_cli("jobs").out)
    assert header == ["JOB", "KIND", "STATE", "WHAT"]
    assert rows == [
        ["2", "finetune", "succeeded", "lenet", "on", "digits"],
        ["1", "import", "succeeded", "lenet"],
    ]
    assert [job["id"] for job in zoo_cli("jobs", "--json").json] == [2, 1]


def test_a_job_is_shown_with_what_it_said(zoo_cli):
    shown = zoo_cli("jobs", "show", "2").out
    assert shown.startswith("job 2  finetune  succeeded  lenet on digits\n")
    assert "plan: 40 training pictures" in shown
    job = zoo_cli("jobs", "show", "2", "--json").json
    assert job["state"] == "succeeded"
    assert job["result"]["revision"] in shown
    assert {event["step"] for event in job["events"]} >= {"plan", "codes", "fit", "export"}


def test_a_job_is_queued_and_cancelled(zoo_cli):
    queued = zoo_cli("finetune", "lenet", "digits", "--seed", "3", "--detach", "--json")
    assert queued.json == {"job": 3}
    assert zoo_cli("finetune", "lenet", "digits", "--seed", "3", "-d").out == "3\n"
    assert zoo_cli("jobs", "cancel", "3").out == "job 3  cancelled\n"
    assert zoo_cli("jobs", "show", "3", "--json").json["state"] == "cancelled"
    assert zoo_cli("jobs", "cancel", "99").code == 3


def test_a_job_that_failed_tells_why(zoo_cli, home):
    with open_zoo(read_settings(home=home)) as zoo:
        job = enqueue_finetune(zoo, "lenet", "digits", seed=4)
        for attempt in iter(lambda: jobs.claim(zoo, worker="the test"), None):
            failing.lose(zoo, attempt)
    shown = zoo_cli("jobs", "show", job.id).out
    assert "failed" in shown
    assert "  next: " in shown


def test_db_tells_the_schema(zoo_cli, home):
    assert zoo_cli("db", "upgrade").out == f"schema {SCHEMA}\n"
    current = zoo_cli("db", "current").out
    assert current.startswith(f"schema {SCHEMA}  sqlite:///")
    assert home.name in current


def test_doctor_tells_what_the_zoo_stands_on(zoo_cli, home):
    ran = zoo_cli("doctor", "--json")
    findings = {finding["name"]: finding for finding in ran.json}
    assert {"python", "torch", "onnxruntime", "providers", "device", "catalog", "store"} <= set(
        findings
    )
    assert str(home) in findings["store"]["value"]
    assert "CPUExecutionProvider" in findings["providers"]["value"]
    assert ran.code == (0 if all(one["is_sound"] for one in findings.values()) else 1)


def test_doctor_exits_with_1_where_something_is_not_sound(zoo_cli, monkeypatch):
    monkeypatch.setenv("ZOO_DEVICE", "cuda")
    monkeypatch.setattr("zoo.operations.inspect.NVIDIA_DRIVER", read_settings().home / "nothing")
    ran = zoo_cli("doctor")
    assert ran.code == 1
    assert "BAD  device" in ran.out
    assert "next: CUDAExecutionProvider needs an NVIDIA driver." in ran.out


def test_predict_tells_the_best_classes(zoo_cli, picture):
    ran = zoo_cli("predict", "lenet-digits", picture, "--top", "2")
    assert ran.out.startswith(f"{picture}: 7 ")
    assert len(ran.out.split(": ")[1].split()) == 4
    (prediction,) = zoo_cli("predict", "lenet-digits", picture, "--json").json
    assert prediction["picture"] == str(picture)
    assert prediction["scores"][0]["label"] == "7"
    assert len(prediction["scores"]) == 5


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("onnx", {"model.onnx"}),
        ("safetensors", {"model.safetensors", "config.json", "deploy.prototxt"}),
    ],
)
def test_export_writes_the_files_of_a_format(zoo_cli, tmp_path, kind, names):
    folder = tmp_path / "out"
    ran = zoo_cli("export", "lenet", "--format", kind, "-o", folder)
    assert {path.name for path in folder.iterdir()} == names
    assert set(ran.out.splitlines()) == {str(folder / name) for name in names}


def test_export_writes_into_no_folder_that_is_there(zoo_cli, tmp_path):
    ran = zoo_cli("export", "lenet", "-o", tmp_path)
    assert ran.code == 1
    assert "-o FOLDER" in ran.err


def test_export_leaves_nothing_where_it_fails(zoo_cli, tmp_path):
    folder = tmp_path / "out"
    assert zoo_cli("export", "lenet:v9", "-o", folder).code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_what_is_written_for_programs_is_json_alone(zoo_cli, picture):
    for arguments in (
        ["list"],
        ["show", "lenet"],
        ["datasets", "list"],
        ["jobs"],
        ["doctor"],
        ["predict", "lenet", picture],
    ):
        assert json.loads(zoo_cli(*arguments, "--json").out)


def test_one_filter_is_told_and_drawn(zoo_cli, tmp_path, monkeypatch):
    told = zoo_cli("filters", "lenet", "--layer", "conv2", "--kernel", 7, "--json").json
    assert (told["layer"], told["index"], told["shape"]) == ("conv2", 7, [8, 5, 5])
    ran = zoo_cli("filters", "lenet", "--layer", "conv2", "--kernel", 7)
    head, *lines = ran.out.splitlines()
    assert head == "conv2[7] of 16  8 x 5 x 5"
    rows = [line.split() for line in lines if len(line.split()) == 5]
    assert len(rows) == 8 * 5
    assert float(rows[0][0]) == pytest.approx(told["planes"][0][0][0], rel=1e-2)
    assert ran.err == ""
    monkeypatch.setattr("zoo.commands.filters.MOST_PLANES", 3)
    ran = zoo_cli("filters", "lenet", "--layer", "conv2", "--kernel", 7)
    assert "channel 2" in ran.out
    assert "channel 3" not in ran.out
    assert "5 channels more" in ran.err
    for name, more in (("planes.png", []), ("waves.png", ["--spectrum"])):
        path = tmp_path / name
        ran = zoo_cli("filters", "lenet", "--layer", "conv2", "--kernel", 7, *more, "-o", path)
        assert ran.err.startswith("conv2[7]: ")
        assert path.read_bytes().startswith(b"\x89PNG")
    assert zoo_cli("filters", "lenet", "--kernel", 0).out.startswith("conv1[0] of 8  1 x 5 x 5")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--kernel", 50], "has 16 filters, so none of number 50"),
        (["--kernel", 1, "--against", "parent"], "give --kernel or --against"),
        (["--kernel", 1, "--spectrum"], "give --kernel and -o"),
        (["--spectrum", "-o", "x.png"], "give --kernel and -o"),
    ],
)
def test_one_filter_that_is_none_is_refused(zoo_cli, options, said):
    ran = zoo_cli("filters", "lenet", "--layer", "conv2", *options)
    assert ran.code != 0
    assert said in ran.err
