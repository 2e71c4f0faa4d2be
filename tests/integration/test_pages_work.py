"""/datasets, /jobs, /new, /compare, /tokens, /audit, /health: asked by plain forms and links."""

import hashlib
import io
import re
import zipfile

import pytest
from PIL import Image

from zoo.domain.access import Role
from zoo.domain.job import JobKind, JobState
from zoo.domain.training import RATES, Rates
from zoo.operations import jobs
from zoo.operations.accounts import create_token
from zoo.operations.datasets import add_dataset
from zoo.web.pages.jobs import KINDS, MARKS

OWN = {"Origin": "http://localhost"}
BROWSER = {"Accept": "text/html"}


@pytest.fixture
def zoo(app):
    return app.extensions["zoo"]


def follow(client, answer):
    assert answer.status_code == 303, answer.text
    return client.get(answer.headers["Location"])


@pytest.mark.usefixtures("stocked")
def test_datasets_are_shown_with_their_classes_and_pictures(client):
    listed = client.get("/datasets").text
    (address,) = re.findall(r'<a href="(/datasets/digits@\w+)"', listed)
    page = client.get(address).text
    assert re.findall(r'<a href="\?label=(\d)">\d</a></th>', page) == ["5", "6", "7", "8", "9"]
    pictures = re.findall(r'<img src="(/datasets/[^"]+\.jpg)"', page)
    assert len(pictures) == 5 * 8
    answer = client.get(pictures[0])
    assert (answer.status_code, answer.mimetype) == (200, "image/jpeg")
    assert "immutable" in answer.headers["Cache-Control"]
    again = client.get(pictures[0], headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert 'href="/models/lenet-digits"' in page
    alone = client.get(f"{address}?label=7").text
    assert len(re.findall(r'<img src="/datasets/', alone)) == 10
    assert client.get("/datasets/nothing").status_code == 404
    assert client.get(f"{address}/pictures/{'0' * 64}.jpg").status_code == 404


def test_classes_and_files_of_a_dataset_are_shown_as_text(client, zoo, tmp_path):
    for label in ("<img src=x>", "b\u202ec"):
        (tmp_path / "set" / label).mkdir(parents=True)
        for number in range(4):
            picture = Image.new("RGB", (9, 8), (number * 9, len(label), 7))
            picture.save(tmp_path / "set" / label / f"{number}.png")
    (tmp_path / "set" / "<img src=x>" / "<script>.jpg").write_bytes(b"none")
    dataset = add_dataset(zoo, tmp_path / "set", name="odd")
    page = client.get(f"/datasets/{dataset.address}").text
    assert "<img src=x>" not in page
    assert "<script>.jpg" not in page
    assert "&lt;script&gt;.jpg" in page
    assert "\u202e" not in page
    assert client.get("/datasets/odd", query_string={"label": "<img src=x>"}).status_code == 200


def test_an_archive_is_added_by_a_form(client, digits):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for picture in sorted(digits.rglob("*.png")):
            packed.write(picture, picture.relative_to(digits))
    form = {"name": "", "file": (io.BytesIO(archive.getvalue()), "seven up.zip")}
    page = follow(client, client.post("/new/dataset", data=form, headers=OWN))
    assert "<h1>seven-up</h1>" in page.text
    wrong = {"name": "d", "file": (io.BytesIO(b"no archive"), "d.zip")}
    answer = client.post("/new/dataset", data=wrong, headers=OWN | BROWSER)
    assert answer.status_code == 422
    assert 'role="alert"' in answer.text
    assert client.post("/new/dataset", data={"name": "d"}, headers=OWN).status_code == 400


def test_a_package_is_added_by_a_form_and_made_to_run(client, package, work):
    parts = [(io.BytesIO(data), f"nets/{path}") for path, data in package.items()]
    answer = client.post("/new/model", data={"name": "net", "file": parts}, headers=OWN)
    assert "Import: net" in follow(client, answer).text
    work()
    assert "/models/net/try" in client.get("/models/net").text


def send(client, name, data):
    """Upload bytes as the page's script does, and give their digest."""
    digest = hashlib.sha256(data).hexdigest()
    path = f"/v1/models/{name}/uploads/{digest}?size_bytes={len(data)}"
    assert client.put(path, data=data, headers=OWN).json["is_kept"]
    return digest


def test_files_that_were_sent_before_are_added_by_their_digests(client, package, digits, work):
    told = [(path, send(client, "net", data)) for path, data in package.items()]
    form = {"name": "net", "path": [one[0] for one in told], "digest": [one[1] for one in told]}
    assert "Import: net" in follow(client, client.post("/new/model", data=form, headers=OWN)).text
    work()
    assert "/models/net/try" in client.get("/models/net").text
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        for picture in sorted(digits.rglob("*.png")):
            packed.write(picture, picture.relative_to(digits))
    digest = send(client, "seven-up", archive.getvalue())
    form = {"name": "", "path": "seven up.zip", "digest": digest}
    page = follow(client, client.post("/new/dataset", data=form, headers=OWN))
    assert "<h1>seven-up</h1>" in page.text


def test_nobody_adds_by_a_digest_what_they_have_not_sent(make_app, package):
    app = make_app(access="tokens")
    tokens = [
        create_token(app.extensions["zoo"], name, role=Role.WRITE).secret for name in ("ada", "eve")
    ]
    ada, eve = ({"Authorization": f"Bearer {secret}"} for secret in tokens)
    client, data = app.test_client(), package["readme.md"]
    digest = hashlib.sha256(data).hexdigest()
    sent = client.put(
        f"/v1/models/ada/net/uploads/{digest}?size_bytes={len(data)}", data=data, headers=ada
    )
    assert sent.json["is_kept"]
    form = {"name": "eve/net", "path": "a.md", "digest": digest}
    for page in ("/new/model", "/new/dataset"):
        answer = client.post(page, data=form, headers=eve)
        assert answer.status_code == 403
        assert "were not sent here" in answer.text
    form["name"] = "ada/net"
    assert client.post("/new/model", data=form, headers=ada).status_code == 303


@pytest.mark.parametrize(
    "form",
    [
        {"path": ["a", "b"], "digest": ["0" * 64]},
        {"path": ["a", "a"], "digest": ["0" * 64, "1" * 64]},
        {"path": ["a"], "digest": ["x"]},
        {"path": [], "digest": ["0" * 64]},
        {"colour": "red"},
    ],
    ids=["too few", "twice", "no digest", "no path", "unknown"],
)
def test_a_form_of_files_that_were_sent_is_checked(client, form):
    for page in ("/new/model", "/new/dataset"):
        assert client.post(page, data={"name": "net", **form}, headers=OWN).status_code == 400


@pytest.mark.usefixtures("stocked")
def test_advice_is_asked_for_then_fills_the_form_that_starts(client, work):
    address = "/new/finetune?model=lenet&dataset=digits"
    page = client.get(address)
    assert "Nothing was measured" in page.text
    form = {"model": "lenet", "dataset": "digits"}
    job = follow(client, client.post("/new/finetune/advice", data=form, headers=OWN))
    assert "Advice: lenet on digits" in job.text
    assert "It is being measured" in client.get(address).text
    work()
    advised = client.get(address).text
    assert advised.count('class="lit"') == 1
    assert "training pictures: below 1000 is small" in advised
    chosen = re.findall(r'<option value="([\w-]+)" selected>', advised)
    (arm,) = re.findall(r"<b>([\w-]+)</b>, advised", advised)
    assert chosen == [arm]
    start = form | {"name": "mine", "strategy": "full", "epochs": "2", "lr": "", "seed": "0"}
    started = client.post("/new/finetune", data=start, headers=OWN)
    number = int(started.headers["Location"].rpartition("/")[2])
    work()
    done = client.get(f"/jobs/{number}").text
    assert "succeeded" in done
    assert "<dt>strategy</dt><dd>full</dd>" in done
    assert 'aria-label="Verdict"' in done
    # What the training was judged by, what it changed, and how fast it learnt.
    assert "a linear classifier on the codes" in done
    assert re.search(r"McNemar.*?p [\d.]+", done)
    assert "By the digests of the tensors" in done
    assert re.findall(r"<title>(\w+): (\w+)</title>", done) == [
        *((layer, "trained") for layer in ("conv1", "conv2", "ip1")),
        ("head", "new"),
    ]
    (strip,) = re.findall(r'id="strip".*?points="([^"]*)"', done)
    assert [float(point.split(",")[0]) for point in strip.split()] == [0, 280, 560]
    assert re.search(r"<noscript>\s*<svg", done)
    assert re.search(r'href="/models/mine@[0-9a-f]{40}">Open the model', done)
    # Before the first step, and after each of two epochs.
    told = client.get(f"/v1/jobs/{number}").json["curve"]
    assert [one["epoch"] for one in told] == [0, 1, 2]
    assert told[0]["training_loss"] is None
    assert client.get(f"/v1/jobs/{number}").json["rates"]["epochs"] == 2
    assert all(0 <= one["held_out_accuracy"] <= 1 for one in told)
    assert done.count('<tr><td class="n">') >= 3


@pytest.mark.usefixtures("stocked")
def test_who_asks_a_job_again_is_told_what_is_new_or_that_nothing_is(client):
    whole = client.get("/v1/jobs/2")
    last = whole.json["events"][-1]["number"]
    rest = client.get(f"/v1/jobs/2?after={last}")
    assert rest.json["events"] == []
    tag = {"If-None-Match": rest.headers["ETag"]}
    again = client.get(f"/v1/jobs/2?after={last}", headers=tag)
    assert (again.status_code, again.data) == (304, b"")
    assert client.get(f"/v1/jobs/2?after={last - 1}", headers=tag).status_code == 200


@pytest.mark.usefixtures("stocked")
def test_jobs_are_cancelled_and_asked_for_again_by_a_form(client, zoo):
    again = client.post("/jobs/2/rerun", headers=OWN)
    number = int(again.headers["Location"].rpartition("/")[2])
    assert number > 2
    assert jobs.get_job(zoo, number).params == jobs.get_job(zoo, 2).params
    page = follow(client, client.post(f"/jobs/{number}/cancel", headers=OWN))
    assert "cancelled" in page.text
    assert "Run again" in page.text
    assert "Import" in follow(client, client.post("/jobs/1/rerun", headers=OWN)).text
    assert client.get("/jobs/99").status_code == 404
    listed = client.get("/jobs").text
    assert listed.count('<th scope="row"><a href="/jobs/') == 4


def test_every_kind_and_state_of_a_job_has_its_words():
    assert set(KINDS) == set(JobKind)
    assert set(MARKS) == set(JobState)


def test_a_job_that_runs_tells_what_stays_and_how_long_it_will_take(client, zoo):
    params = {"model": "lenet", "dataset": "digits", "strategy": "partial"}
    job = jobs.enqueue(zoo, JobKind.FINETUNE, params)
    attempt = jobs.claim(zoo, worker="the test")
    assert '<section id="training" aria-label="Layers and rates" hidden>' in (
        client.get(f"/jobs/{job.id}").text
    )
    rates = Rates(epochs=4, head=0.25, body=0.0125, layer_decay=0.75, frozen_up_to="pool1")
    jobs.tell(zoo, attempt, RATES, str(rates))
    jobs.tell(zoo, attempt, "train", "steps", done=10, total=40)
    page = client.get(f"/jobs/{job.id}").text
    assert "head 0.25, body 0.0125, each stage below 0.75" in page
    assert "left" not in page.partition('id="step"')[2].partition("</label>")[0]
    jobs.tell(zoo, attempt, "train", "steps", done=20, total=40)
    page = client.get(f"/jobs/{job.id}").text
    assert re.search(r'id="step">train: steps, 20 of 40, about \d+ s left</label>', page)
    assert '<noscript><meta http-equiv="refresh"' in page
    assert "<button>Stop</button>" in page


def test_what_a_job_says_is_shown_as_text(client, zoo):
    job = jobs.enqueue(zoo, JobKind.IMPORT, {"name": "<img src=x onerror=alert(1)>"})
    attempt = jobs.claim(zoo, worker="the test")
    jobs.tell(zoo, attempt, "read", "<script>alert(1)</script>\x1b[2J")
    for path in ("/jobs", f"/jobs/{job.id}"):
        page = client.get(path).text
        assert "<img src=x" not in page
        assert "<script>alert" not in page
        assert "\x1b" not in page


@pytest.mark.usefixtures("stocked")
def test_two_revisions_are_compared(client):
    page = client.get("/compare?old=lenet&new=lenet-digits").text
    assert "tensors differ" in page
    assert re.search(r'<th scope="row">conv1\.weight</th>.*?<td class="soft">same</td>', page)
    assert client.get("/compare").status_code == 200
    assert client.get("/compare?old=lenet&new=nothing", headers=BROWSER).status_code == 404


def test_tokens_are_made_and_ended_by_a_form(make_app):
    app = make_app(access="tokens")
    client, zoo = app.test_client(), app.extensions["zoo"]
    secret = create_token(zoo, "ada", role=Role.ADMIN).secret
    client.post("/sign-in", data={"token": secret}, headers=OWN)
    page = client.post("/tokens", data={"label": "ci", "role": "read"}, headers=OWN).text
    (made,) = re.findall(r"<pre[^>]*>(zoo_[\w-]+)</pre>", page)
    bearer = {"Authorization": f"Bearer {made}"}
    assert client.get("/v1/whoami", headers=bearer).json["account"] == "ada"
    assert made not in client.get("/tokens").text
    follow(client, client.post("/tokens/2/revoke", headers=OWN))
    assert app.test_client().get("/v1/whoami", headers=bearer).status_code == 401
    for path in ("/audit", "/health"):
        assert client.get(path, headers=BROWSER).status_code == 403


@pytest.mark.usefixtures("stocked")
def test_who_looks_after_the_zoo_sees_who_changed_what_and_how_it_stands(client):
    audit = client.get("/audit?limit=2").text
    assert "job.enqueue" in client.get("/audit").text
    (older,) = re.findall(r'<a rel="next" href="([^"]+)"', audit)
    assert client.get(f"/audit{older}").status_code == 200
    health = client.get("/health").text
    assert "onnxruntime" in health
    assert "<dt>Models</dt><dd>2</dd>" in health
