"""/datasets, /jobs, /new, /compare, /tokens, /audit, /health: asked by plain forms and links."""

import io
import re
import zipfile

import pytest
from PIL import Image

from zoo.domain.access import Role
from zoo.domain.job import JobKind, JobState
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
    assert re.search(r'href="/models/mine@[0-9a-f]{40}">Open the model', done)
    # Before the first step, and after each of two epochs.
    told = client.get(f"/v1/jobs/{number}").json["curve"]
    assert [one["epoch"] for one in told] == [0, 1, 2]
    assert told[0]["training_loss"] is None
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
