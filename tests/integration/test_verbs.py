"""Every verb does the same in the zoo of this machine and, over a socket, in another one.

Each is given twice over two copies of one home: once with ``--at``, and once without. What is
printed and how the command ends must be the same to the letter, and so must what it changed.
"""

import io
import re
import shutil
import socket
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from PIL import Image

from zoo.commands.here import Here
from zoo.commands.remote import opened_at
from zoo.domain.access import Role
from zoo.domain.job import JobKind, JobWish
from zoo.errors import DatasetNotFound, FileNotFound, ModelNotFound, ServerUnreachable
from zoo.formats.safetensors import write_safetensors
from zoo.operations import fetch, jobs
from zoo.operations.access import list_audit
from zoo.operations.accounts import create_token
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.settings import read_settings
from zoo.web import answers
from zoo.web.app import create_app
from zoo.worker import supervisor
from zoo.worker.progress import Progress
from zoo.worker.run import run


@pytest.fixture
def far_home(_stocked, tmp_path):
    """A second home with the same content as the stocked one."""
    shutil.copytree(_stocked, tmp_path / "far")
    return tmp_path / "far"


@pytest.fixture
def make_far(far_home, listen):
    """A function that serves the second home with some settings, and gives its address."""
    apps = []

    def make(**settings):
        app = create_app(read_settings(home=far_home, **settings))
        apps.append(app)
        return listen(app)

    yield make
    for app in apps:
        app.extensions["zoo_counts"].close()
        app.extensions["zoo"].catalog.close()


@pytest.fixture
def far(make_far):
    return make_far()


TIMES = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00)?|\d\d:\d\d:\d\d")


STEPS = "read|pack|send|predict|codes|train|verify"
PROGRESS = re.compile(rf"^({STEPS}): \w+ \d+/\d+\n", re.MULTILINE)
RATES = re.compile(r"[\d.]+ a second")


def without_times(text):
    """Leave out when it was, how far it was in between, and how fast it went."""
    return RATES.sub("RATE", TIMES.sub("TIME", PROGRESS.sub("", text)))


@pytest.fixture
def both(zoo_cli, stocked, far, tmp_path, monkeypatch):
    """A function that gives a command here and there, and what it said, which has to be one."""
    assert stocked != far

    def command(*arguments):
        said = []
        for at in ((), ("--at", far)):
            folder = tmp_path / ("there" if at else "here")
            folder.mkdir(exist_ok=True)
            monkeypatch.chdir(folder)
            ran = zoo_cli(*arguments, *at)
            said.append((ran.code, without_times(ran.out), without_times(ran.err)))
        assert said[1] == said[0]
        return ran

    return command


LOOKING = [
    "list",
    "list --json",
    "show lenet",
    "show lenet-digits --json",
    "show lenet-digits:main --files",
    "show lenet-digits --card",
    "show lenet --layers",
    "show lenet --layers --json",
    "show lenet --history",
    "diff lenet lenet-digits",
    "diff lenet lenet-digits --json",
    "lineage lenet-digits",
    "lineage lenet --json",
    "stats",
    "stats --json",
    "stats lenet",
    "stats lenet --json",
    "refs list lenet",
    "refs list lenet --json",
    "refs list lenet --moves",
    "filters lenet",
    "filters lenet --json",
    "filters lenet --layer conv1 --json",
    "filters lenet-digits --against parent",
    "filters lenet-digits --against lenet --json",
    "filters lenet-digits --against parent --layer ip1",
    "filters lenet -o filters.png",
    "filters lenet -o filters.png --layer conv2 --scaling own --json",
    "filters lenet --kernel 3",
    "filters lenet --layer conv2 --kernel 7 --json",
    "filters lenet --layer conv2 --kernel 7 -o kernel.png",
    "filters lenet --layer conv2 --kernel 7 --spectrum -o waves.png --json",
    "export lenet",
    "export lenet-digits --format safetensors -o folder",
    "jobs",
    "jobs --json",
    "jobs show 1",
    "jobs show 2 --json",
    "jobs 2",
    "jobs follow 2",
    "jobs follow 2 --json",
    "audit --limit 5",
    "audit --json",
    "accounts",
    "accounts usage",
    "accounts usage --json",
    "tokens",
    "tokens --json",
    "sweep --dry-run --json",
]


@pytest.mark.parametrize("line", LOOKING)
def test_looking_shows_the_same(both, line, tmp_path):
    assert both(*line.split()).code == 0
    has_output = " -o " in line or line.startswith("export")
    assert bool(check_written(tmp_path)) == has_output


def check_written(tmp_path):
    """Compare what was written here and there, and give it."""
    here, there = (
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (tmp_path / "here", tmp_path / "there")
    )
    assert here == there
    return here


def test_predictions_are_the_same(both, picture, tmp_path):
    (tmp_path / "no.png").write_bytes(b"no picture")
    odd = tmp_path / 'a "b" ü;.png'
    shutil.copy(picture, odd)
    assert both("predict", "lenet-digits", picture, odd, "--top", "2").code == 0
    assert both("predict", "lenet-digits:main", odd, "--json").json[0]["picture"] == str(odd)
    for model, path, code in (
        ("nothing", picture, 3),
        ("lenet", tmp_path / "missing.png", 3),
        ("lenet", tmp_path / "no.png", 1),
        ("lenet", tmp_path, 8),  # a folder is all that lies in it
    ):
        assert both("predict", model, path).code == code


@pytest.fixture
def halves(tmp_path):
    """A picture that is red on its left half and green on its right."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16, 0] = pixels[:, 16:, 1] = 255
    path = tmp_path / "halves.png"
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def colours(stocked, far_home, colour_map):
    """Both homes hold a dense model that tells how much of each colour a cell has."""
    for home in (stocked, far_home):
        with open_zoo(read_settings(home=home)) as zoo:
            files = {"model.onnx": zoo.blobs.put([colour_map()])}
            publish(zoo, Publication(model="lab/colours", files=files, message="made"))


@pytest.mark.usefixtures("colours")
@pytest.mark.parametrize(
    "options",
    [
        "",
        "--json",
        "--label green --top 1 --json",
        "--label 2 --scale 0.5 --scale 1.3 --json",
        "--short-side 24 --npy map.npy --json",
        "-o new/out.png --scaling own --no-legend --opacity 0.25",
        "--label mauve",
        "--short-side 3",
        "--tile 3",
        "--scale 0",
    ],
)
def test_heat_maps_are_the_same(both, halves, tmp_path, options):
    both("heatmap", "lab/colours:main", halves, *options.split())
    both("heatmap", "lenet", halves)
    check_written(tmp_path)


ADDED = ["", "--json", "--name lab/other --json", "--name x--y"]


@pytest.mark.parametrize("options", ADDED)
def test_datasets_are_the_same(both, digits, tmp_path, options):
    """A folder with what is no picture, a copy, and names of any kind."""
    folder = tmp_path / "nümbers"
    shutil.copytree(digits, folder)
    (folder / "5" / "no.png").write_bytes(b"no picture")
    shutil.copy(min((folder / "7").iterdir()), folder / "8" / f"{'long' * 40} copy.png")
    both("datasets", "add", folder, *options.split())
    both("datasets", "list")
    both("datasets", "show", "n-mbers", "--json")
    both("datasets", "show", "lab/other")


@pytest.mark.parametrize("options", ["", "--format tar", "-o again.tar"])
def test_packed_datasets_are_the_same(both, options):
    both("datasets", "export", "digits", *options.split())
    both("datasets", "export", "digits", "-o", "again.tar")
    both("datasets", "export", "nothing")


@pytest.mark.parametrize(
    "options",
    [
        "--facets",
        "--facets --json",
        "--search digits --json",
        "--search nothing",
        "--filter runs=classifier --filter classes>=5",
        "--filter owner=ada --filter owner=bob",
        "--filter classes<=4",
        "--filter classes=many",
    ],
)
def test_searches_find_the_same(both, options):
    both("list", *options.split())


def test_what_a_folder_cannot_send_is_told(both, digits, tmp_path):
    folder = tmp_path / "numbers"
    shutil.copytree(digits, folder)
    (folder / "6" / "out.png").symlink_to("/etc/passwd")
    (folder / "6" / "in.png").symlink_to(min((folder / "6").iterdir()).name)
    skipped = both("datasets", "add", folder, "--json").json["skipped"]
    assert [one["path"] for one in skipped] == ["6/out.png"]


def test_archives_make_the_same_datasets(both, digits, tmp_path):
    for kind in ("zip", "gztar"):
        archive = shutil.make_archive(str(tmp_path / f"numbers-{kind}"), kind, digits)
        both("datasets", "add", archive, "--json")
    both("datasets", "list", "--json")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "empty").mkdir()
    for path in ("broken.zip", "empty", "nothing.zip"):
        assert both("datasets", "add", tmp_path / path).code != 0


@pytest.mark.parametrize(
    "line",
    [
        "finetune lenet digits",
        "finetune lenet digits --name lab/x --strategy full --epochs 2 --lr 0.5 --seed 3 --json",
        "finetune lenet digits --layer best --classifier svm",
        "finetune lenet digits --epochs 2",
        "finetune nothing digits",
        "finetune lenet nothing",
        "finetune lenet ./nothing",
        "surgery cut lenet --layer ip1 --name lab/cut --json",
        "surgery fold lenet",
        "surgery replace-head lenet --classes 3",
        "surgery replace-head lenet --classes 3 --layer ip2 --also ip1",
        "surgery cut nothing --layer ip1",
        "dense lenet --pads remove --border 3 --check 40x50 --json",
        "dense lenet-digits:main",
        "dense lenet --check 1x2000",
    ],
)
def test_jobs_are_queued_alike(both, line):
    both(*line.split(), "-d")
    both("jobs", "--json")
    both("jobs", "show", "3", "--json")
    both("jobs", "cancel", "3")
    both("jobs", "pause", "3")


@pytest.fixture
def working(monkeypatch, far_home):
    """Jobs of both zoos are run in this process: here by who waits for them, there by a worker."""

    def run_one(zoo, number):
        attempt = jobs.claim(zoo, worker="the test", number=number)
        if attempt is not None:
            run(zoo, Progress(zoo, attempt))
        return attempt is not None

    def run_here(zoo, number, listen):
        assert run_one(zoo, number)
        done = jobs.get_job(zoo, number)
        for event in done.events:
            listen(event)
        return done

    monkeypatch.setattr(supervisor, "run_job", run_here)
    stop = threading.Event()

    def work():
        with open_zoo(read_settings(home=far_home)) as zoo:
            while not stop.wait(0.02):
                run_one(zoo, None)

    worker = threading.Thread(target=work)
    worker.start()
    yield
    stop.set()
    worker.join()


@pytest.mark.usefixtures("working")
def test_jobs_come_to_the_same_end(both, starter, tmp_path):
    labels = tmp_path / "labels.txt"
    labels.write_text("zero\none\ntwo\nthree\nfour\n")
    both("import", starter, "--name", "lab/again", "--tag", "v1", "--labels", labels, "--mean", "9")
    both("show", "lab/again:v1", "--json")
    both("import", starter, "--name", "wrong", "--mean", "1,2,3,4,5,6,7")
    both("surgery", "cut", "lab/again", "--layer", "ip1", "--json")
    both("dense", "lab/again", "--json")
    both("surgery", "cut", "lab/again", "--layer", "nothing")
    both("list")


@pytest.mark.usefixtures("working", "stocked")
def test_a_fine_tune_there_is_as_good_as_here(zoo_cli, far):
    command = ("finetune", "lenet", "digits", "--seed", "3", "--json")
    here, there = (zoo_cli(*command, *at) for at in ((), ("--at", far)))
    assert (here.code, there.code) == (0, 0), there.out
    for name in ("model", "job", "accuracy"):
        assert here.json[name] == there.json[name]


@pytest.mark.usefixtures("working", "stocked")
def test_trials_there_come_to_what_they_come_to_here(zoo_cli, far):
    command = ["sweep-params", "lenet", "digits", "--grid", "lr=0.01,2", "--grid", "batch=25"]
    command += ["--strategy", "full", "--epochs", "2", "--asha"]
    here, there = (zoo_cli(*command, "--json", *at) for at in ((), ("--at", far)))
    assert (here.code, there.code) == (0, 0), there.err
    told = here.json["trials"]
    assert [one["name"] for one in told] == ["lenet-digits-1", "lenet-digits-2"]
    assert (
        here.json["best"]
        == min(
            (one for one in told if one["state"] == "succeeded"),
            key=lambda one: one["held_out_loss"],
        )["name"]
    )
    for own, other in zip(told, there.json["trials"], strict=True):
        assert (own["name"], own["training"]) == (other["name"], other["training"])
    again = zoo_cli(*command)
    assert again.code == 0
    assert f"best: {here.json['best']}  epochs=2" in again.out
    assert len(zoo_cli("jobs", "--json").json) == 4


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("--grid lr=0.1..1", "A range has no end"),
        ("--grid epochs=2,3 --asha", "different lengths"),
        ("--grid devices=2", "nothing that can be tried"),
        ("--grid batch=16,0", "'batch' has to be a whole number of 1 to 4096, not 0"),
        ("--grid lr=0.1,nan", "'lr' has to be a finite number of 0 to 100, not nan"),
        ("--grid freeze=ip1 --strategy scratch", "'freeze' has no meaning"),
        ("--grid init=he,nonsense --strategy scratch", "nonsense"),
    ],
)
@pytest.mark.usefixtures("stocked")
def test_trials_that_have_no_meaning_are_refused(zoo_cli, given, said):
    before = zoo_cli("jobs", "--json").json
    ran = zoo_cli("sweep-params", "lenet", "digits", *given.split())
    assert ran.code == 1
    assert said in ran.err
    assert zoo_cli("jobs", "--json").json == before  # none of the trials was queued


def test_jobs_are_gone_through_alike_page_by_page(far, stocked, monkeypatch):
    monkeypatch.setattr("zoo.client.jobs.PAGE", 2)
    monkeypatch.setattr("zoo.operations.jobs.PAGE", 2)
    with opened_at(far) as there, open_zoo(read_settings(home=stocked)) as zoo:
        for at in (there, Here(zoo)):
            asked = [at.enqueue_advise("lenet", "digits", seed=seed) for seed in range(5)]
            at.enqueue_advise("", "digits", seed=0)
            params = asked[0].params
            wish = JobWish(kind=JobKind.ADVISE, model=params["model"], dataset=params["dataset"])
            found = list(at.go_through_jobs(wish))
            assert [one.id for one in found] == [one.id for one in reversed(asked)]
            assert {one.params["seed"] for one in found} == set(range(5))
            assert not list(at.go_through_jobs(replace(wish, model="another")))


def test_advice_is_queued_alike(far, stocked):
    with opened_at(far) as there, open_zoo(read_settings(home=stocked)) as zoo:
        here = Here(zoo)
        for model in ("lenet", "lenet:main", ""):
            asked, own = (at.enqueue_advise(model, "digits", seed=3) for at in (there, here))
            assert (asked.id, asked.kind, asked.params) == (own.id, own.kind, own.params)
        assert there.read_record() == here.read_record() == []
        for model, dataset, error in (
            ("nothing", "digits", ModelNotFound),
            ("lenet", "nothing", DatasetNotFound),
        ):
            for at in (there, here):
                with pytest.raises(error):
                    at.enqueue_advise(model, dataset, seed=0)


def test_a_checkpoint_that_cannot_run_is_stored_alike(both, stocked, far_home, tmp_path):
    weights = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3)}
    (tmp_path / "odd.safetensors").write_bytes(b"".join(write_safetensors(weights)))
    both("import", tmp_path / "odd.safetensors")
    both("import", tmp_path / "odd.safetensors", "--name", "lab/odd", "--tag", "v1", "--json")
    both("show", "lab/odd:v1", "--json")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.safetensors").write_bytes(b"12345678")
    for line in (
        "import nothing",
        f"import {tmp_path / 'empty'}",
        f"import {tmp_path / 'broken.safetensors'} --json",
        f"import {tmp_path / 'odd.safetensors'} --name x--y",
        f"import {tmp_path / 'odd.safetensors'} --tag a..b",
        f"import {tmp_path / 'odd.safetensors'} --labels nothing",
        f"import {tmp_path / 'odd.safetensors'} --check nothing",
        "import torchvision:resnet18",
    ):
        assert both(*line.split()).code != 0
    assert audit_of(far_home) == audit_of(stocked)


WRONG = [
    ("show nothing", 3),
    ("show lenett", 3),
    ("show lenet:v9 --json", 3),
    ("show lenet:a/b", 3),
    ("show x--y", 1),
    ("show lenet@zz..", 3),
    ("diff lenet nothing", 3),
    ("lineage nothing --json", 3),
    ("stats nothing", 3),
    ("refs list nothing", 3),
    ("refs tag lenet main", 1),
    ("refs tag lenet a..b", 1),
    ("refs tag nothing v1", 3),
    ("refs alias lenet production --to nothing", 3),
    ("refs alias lenet main", 1),
    ("refs protect lenet nothing", 3),
    ("refs delete lenet nothing", 3),
    ("refs delete lenet ..", 3),
    ("refs delete lenet main", 1),
    ("rename nothing other", 3),
    ("rename lenet lenet-digits", 1),
    ("rename lenet x--y", 1),
    ("hide nothing", 3),
    ("delete nothing", 3),
    ("delete lenet", 1),
    ("restore nothing", 3),
    ("filters nothing", 3),
    ("filters lenet --layer conv --json", 3),
    ("filters lenet --layer conv -o x.png", 3),
    ("filters lenet --against parent", 3),
    ("export nothing", 3),
    ("export lenet:nothing", 3),
    ("jobs show 99", 3),
    ("jobs cancel 99 ", 3),
    ("jobs follow 99", 3),
    ("jobs 99", 3),
    ("jobs pause 99", 3),
    ("jobs resume 99", 3),
    ("jobs priority 99 5", 3),
    ("jobs rerun 99", 3),
    ("jobs rerun 1 --set epochs=5", 1),
    ("jobs rerun 2 --set epochs=many", 1),
    ("jobs rerun 2 --set colour=red", 1),
    ("finetune job:99 digits", 3),
    ("finetune lenet digits --after 99", 3),
    ("tokens revoke 7", 3),
    ("tokens create local", 1),
    ("tokens create ada --days 0", 1),
    ("accounts grant a--b --owner lab --role read", 1),
    ("accounts grant ada --owner a--b --role read", 1),
    ("accounts withdraw ada --owner lab", 3),
    ("accounts quota a--b", 1),
]


@pytest.mark.parametrize(("line", "code"), WRONG, ids=[line for line, _ in WRONG])
def test_what_cannot_be_is_refused_in_the_same_words(both, line, code):
    ran = both(*line.split())
    assert ran.code == code
    assert ran.err.count("\n") == 2


CHANGES = [
    ["rename lenet lab/net", "show lenet", "list"],
    ["hide lenet", "hide lenet --public"],
    ["delete lenet-digits", "show lenet-digits", "restore lenet-digits", "show lenet-digits"],
    ["delete lenet-digits", "delete lenet", "sweep", "list --json"],
    ["refs tag lenet v1", "refs alias lenet prod/eu --to v1", "show lenet:prod/eu --files"],
    ["refs alias lenet production", "filters lenet:production", "export lenet:production"],
    ["refs tag lenet v1", "refs protect lenet v1", "refs list lenet --json", "delete lenet"],
    ["refs tag lenet v1", "refs protect lenet v1", "refs protect lenet v1 --off"],
    ["refs tag lenet v1", "refs tag lenet v1", "refs delete lenet v1", "refs list lenet --moves"],
    ["refs alias lenet p --expected x", "refs alias lenet p", "refs alias lenet p --expected x"],
    ["tokens create ada --role read --owner lab --label mine --days 9", "tokens revoke 1"],
    ["accounts grant ada --owner lab --role write", "accounts", "accounts --json"],
    ["accounts grant ada --owner lab --role write", "accounts withdraw ada --owner lab"],
    [
        "accounts quota lab --bytes 5000 --models 3",
        "accounts usage",
        "accounts quota lab --default",
    ],
]


@pytest.mark.parametrize("lines", CHANGES, ids=" ; ".join)
def test_changes_are_the_same(both, lines, stocked, far_home):
    for line in lines:
        if line.startswith("tokens create"):
            with pytest.raises(AssertionError, match="zoo_"):  # Secrets are drawn.
                both(*line.split())
            continue
        both(*line.split())
    assert audit_of(far_home) == audit_of(stocked)


def test_lists_of_several_pages_are_whole(both, far, stocked, monkeypatch):
    monkeypatch.setattr("zoo.client.reading.PAGE", 1)
    both("datasets", "list")
    with opened_at(far) as there, open_zoo(read_settings(home=stocked)) as zoo:
        assert there.list_revisions("lenet") == Here(zoo).list_revisions("lenet")
        assert len(there.list_revisions("lenet-digits")) > 0
    both("datasets", "list", "--json")


def test_a_page_that_leads_to_itself_is_no_list(listen):
    app = Flask("other")
    app.get("/v1/datasets")(lambda: {"datasets": [], "next": "x"})
    with opened_at(listen(app)) as there, pytest.raises(ServerUnreachable, match="leads to itself"):
        there.list_datasets()


@pytest.mark.usefixtures("working")
def test_reports_are_the_same(both, tmp_path, digits):
    """What is measured there comes here by files, which are those that are written here."""
    both("eval", "lenet-digits", "digits", "--json")
    both("eval", "lenet-digits", "digits", "--split", "train", "-o", "report")
    both("eval", "lenet-digits", "digits", "--against", "lenet-digits:main", "-o", "again")
    both("codes", "lenet", "digits", "--split", "val", "-o", "codes.npz", "--json")
    both("codes", "lenet", "digits", "--all", "-o", "all.npz")
    both("reference", "lenet", digits)
    both("reference", "lenet", digits, "--json")
    here, there = (
        {
            path.relative_to(tmp_path / folder): path.read_bytes()
            for path in (tmp_path / folder).rglob("*")
            if path.is_file()
        }
        for folder in ("here", "there")
    )
    assert here.keys() == there.keys()
    assert {Path("report/eval.json"), Path("again/confusion.png"), Path("all.npz")} <= here.keys()
    for path, data in here.items():
        if path.suffix == ".npz":
            one, other = (np.load(tmp_path / at / path) for at in ("here", "there"))
            assert one.files == other.files
            for name in one.files:
                np.testing.assert_array_equal(one[name], other[name])
        else:
            assert there[path] == data, path


@pytest.mark.usefixtures("working")
@pytest.mark.parametrize(
    "line",
    [
        "eval nothing digits",
        "eval lenet-digits nothing",
        "eval lenet-digits digits --split test",
        "eval lenet digits",
        "eval lenet-digits digits --against nothing -o report",
        "codes nothing digits -o codes.npz",
        "codes lenet digits --split test -o codes.npz",
        "codes lenet digits --layer nothing -o codes.npz --json",
        "reference nothing .",
        "reference lenet ./nothing",
        "verify nothing",
        "init-study nothing",
        "init-study digits --init prototxt",
        "transfer-study nothing digits digits",
        "transfer-study lenet digits nothing",
        "reproduce lenet",
        "reproduce nothing --json",
        "create x --arch ./nothing.prototxt",
        "create x --arch torchvision:nothing",
        "create a--b --arch torchvision:resnet18",
        "create x --arch torchvision:resnet18 --init pca",
        "create x --arch torchvision:resnet18 --data digits --init he",
    ],
)
def test_what_cannot_be_measured_or_made_is_refused_in_the_same_words(both, line, tmp_path):
    assert both(*line.split()).code != 0
    assert not any(path.is_file() for path in (tmp_path / "there").rglob("*"))


@pytest.mark.usefixtures("working")
def test_what_is_verified_and_mended_is_the_same(both, stocked, far_home, tmp_path):
    both("verify", "lenet", "--json")
    both("verify", "--all")
    both("verify", "--all", "--json")
    backup, damaged = tmp_path / "backup", None
    shutil.copytree(stocked / "blobs", backup)
    for home in (stocked, far_home):
        with open_zoo(read_settings(home=home)) as zoo:
            file = fetch.get_revision(zoo, "lenet").get_file("README.md")
            damaged = zoo.blobs.local_path(file.digest)
            damaged.chmod(0o600)
            damaged.write_bytes(b"damaged")
    assert both("verify", "lenet").code == 6
    assert both("verify", "--all", "--quarantine").code == 6
    (tmp_path / "empty").mkdir()
    assert both("repair", tmp_path / "empty").code == 6
    assert both("repair", tmp_path / "nothing").code == 3
    both("repair", backup)
    assert both("verify", "--all").code == 0


def test_bytes_that_nothing_consists_of_are_not_put_back(far):
    with opened_at(far) as there, pytest.raises(FileNotFound):
        there.remote.send(f"/v1/blobs/{'a' * 64}", io.BytesIO(b"x"), 1)


def test_a_reference_is_read_where_it_lies(zoo_cli, far):
    ran = zoo_cli("verify", "lenet", "--reference", "x.npz", "--at", far)
    assert ran.code == 2
    assert "zoo pull MODEL" in ran.err


@pytest.mark.usefixtures("working", "stocked")
def test_models_that_begin_anew_are_the_same(both, tmp_path, starter):
    text = (starter / "deploy.prototxt").read_text()
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir(exist_ok=True)
        (tmp_path / folder / "net.prototxt").write_text(text)
    both("create", "lab/anew", "--arch", "./net.prototxt", "--seed", "3", "--json")
    both("create", "lab/seen", "--arch", "./net.prototxt", "--init", "he+lsuv", "--data", "digits")
    both("show", "lab/anew", "--json")
    both("show", "lab/seen")


@pytest.mark.usefixtures("working", "stocked")
def test_a_fine_tune_is_repeated_there_as_here(zoo_cli, far):
    command = ("reproduce", "lenet-digits", "--name", "lab/again", "--json")
    here, there = (zoo_cli(*command, *at).json for at in ((), ("--at", far)))
    assert here["is_same"]
    for told in (here, there):
        assert told.pop("second").startswith("lab/again@")  # It tells when it was made.
    assert there == here


@pytest.mark.usefixtures("working")
def test_studies_are_the_same(both, tmp_path):
    small = ("--epochs", "1", "--seeds", "1")
    both("init-study", "digits", *small, "--init", "he", "--train-pictures", "10", "--json")
    both("transfer-study", "lenet", "digits", "digits", *small, "--stages", "1", "-o", "study")
    for path in ("init-study-digits/study.md", "study/study.json", "study/transfer.png"):
        here, there = (tmp_path / at / path for at in ("here", "there"))
        assert here.read_bytes() == there.read_bytes()
    assert both("init-study", "digits", *small).code == 1
    ran = both("transfer-study", "lenet", "digits", "digits", *small, "-o", "init-study-digits")
    assert ran.code == 1


def audit_of(home):
    with open_zoo(read_settings(home=home)) as zoo:
        return [(one.action, one.subject, one.detail) for one in list_audit(zoo, limit=1000)]


@pytest.fixture
def guarded(make_far, far_home):
    """The address of a zoo that asks for tokens, and a function that makes one."""

    def make(account, **given):
        with open_zoo(read_settings(home=far_home)) as zoo:
            return create_token(zoo, account, **given).secret

    return make_far(access="tokens"), make


def test_tokens_open_what_they_allow(zoo_cli, guarded, monkeypatch, tmp_path):
    url, make = guarded
    assert zoo_cli("list", "--at", url).code == 4
    monkeypatch.setenv("ZOO_TOKEN", "zoo_wrong")
    assert zoo_cli("list", "--at", url, "--json").json["error"]["code"] == "unauthenticated"
    monkeypatch.setenv("ZOO_TOKEN", make("ada", role=Role.READ))
    assert zoo_cli("list", "--at", url).code == 0
    for line in ("delete lenet", "hide lenet", "audit", "sweep", "accounts", "refs tag lenet v1"):
        ran = zoo_cli(*line.split(), "--at", url)
        assert (ran.code, ran.out) == (4, "")
    monkeypatch.delenv("ZOO_TOKEN")
    assert zoo_cli("login", "--at", url, "--token", make("ada")).code == 0
    assert zoo_cli("list", "--at", f"{url}/").code == 0
    assert zoo_cli("datasets", "add", tmp_path / "nothing", "--at", url).code == 3
    assert not (tmp_path / "home").exists()  # The zoo of this machine was not even opened.


def test_the_zoo_of_the_settings_takes_no_verb_away_from_home(
    zoo_cli, stocked, guarded, monkeypatch
):
    url, make = guarded
    secret = make("ada", role=Role.READ)
    monkeypatch.setenv("ZOO_URL", url)
    monkeypatch.setenv("ZOO_TOKEN", secret)
    assert zoo_cli("delete", "lenet-digits").code == 0
    assert zoo_cli("show", "lenet-digits").code == 3
    assert zoo_cli("show", "lenet-digits", "--at", url).code == 0
    assert stocked.exists()


def test_the_token_of_one_zoo_is_not_shown_to_another(zoo_cli, listen, monkeypatch):
    shown = []

    def app(environ, start):
        shown.append(environ.get("HTTP_AUTHORIZATION"))
        start("404 Not Found", [("Content-Type", "application/json")])
        return [b"{}"]

    url = listen(app)
    monkeypatch.setenv("ZOO_URL", "http://zoo.example.org")
    monkeypatch.setenv("ZOO_TOKEN", "zoo_secret")
    assert zoo_cli("list", "--at", url).code == 7
    monkeypatch.setenv("ZOO_URL", f"{url}/")
    assert zoo_cli("list", "--at", url).code == 7
    assert shown == [None, "Bearer zoo_secret"]


def test_what_does_not_answer_is_told(zoo_cli, listen):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        gone = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for line in ("list", "delete lenet", "jobs follow 1"):
        ran = zoo_cli(*line.split(), "--at", gone)
        assert (ran.code, ran.out) == (7, "")
        assert gone in ran.err
        assert "  next: " in ran.err
    assert zoo_cli("list", "--at", "zoo.example.org").code == 1

    def page(_environ, start):
        start("200 OK", [("Content-Type", "text/html")])
        return [b"<html>hello</html>"]

    assert "no zoo" in zoo_cli("list", "--at", listen(page)).err


def test_an_older_zoo_is_told_as_such(zoo_cli, listen):
    app = Flask("older")
    answers.install(app)
    ran = zoo_cli("sweep", "--at", listen(app))
    assert (ran.code, ran.out) == (1, "")
    assert "does not know POST /v1/sweep" in ran.err
    assert "earlier release" in ran.err
