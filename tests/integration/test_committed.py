"""Checkpoints that are committed file by file are made able to predict, once for many commits."""

import json

import pytest

from zoo.domain.config import CARD, CONFIG, GRAPH
from zoo.domain.job import JobKind, JobState
from zoo.domain.revision import RefKind
from zoo.operations import jobs
from zoo.operations.commit import Change, commit, keep_content
from zoo.operations.fetch import get_revision, local_files
from zoo.operations.opening import open_zoo
from zoo.operations.publish import Publication, publish
from zoo.operations.refs import add_ref
from zoo.settings import read_settings
from zoo.worker import import_
from zoo.worker.progress import Progress
from zoo.worker.run import run

NAME = "ada/net"
README = b"---\nlicense: mit\ntags: [mine]\n---\n# As I wrote it\n"


@pytest.fixture
def zoo(home):
    with open_zoo(read_settings(home=home)) as opened:
        publish(opened, Publication(model=NAME, files={}, message="first"))
        yield opened


@pytest.fixture
def send(zoo):
    """A function that commits files, as a client of the Hub does."""

    def send(files, *, ref="main", deleted=()):
        added = {path: keep_content(zoo, NAME, data) for path, data in files.items()}
        change = Change(model=NAME, ref=ref, message="sent", added=added, deleted=deleted)
        return commit(zoo, change)

    return send


@pytest.fixture
def network(package):
    """The files of a checkpoint without its readme."""
    return {path: data for path, data in package.items() if not path.startswith("readme")}


def work(zoo):
    """Run the one job that waits, and give it."""
    attempt = jobs.claim(zoo, worker="the test")
    run(zoo, Progress(zoo, attempt))
    return jobs.get_job(zoo, attempt.job)


def waiting(zoo):
    return [job.id for job in jobs.list_jobs(zoo) if job.state is JobState.QUEUED]


def paths(revision):
    return {file.path for file in revision.files}


def test_many_commits_of_a_checkpoint_get_one_job(zoo, send, network):
    send({CARD: README})
    assert waiting(zoo) == []
    sent = send(network)
    assert GRAPH not in paths(sent)
    assert len(waiting(zoo)) == 1
    send({CARD: README + b"more"})
    last = send({"notes.txt": b"beside"})
    assert len(waiting(zoo)) == 1
    done = work(zoo)
    assert (done.kind, done.state) == (JobKind.IMPORT, JobState.SUCCEEDED), done.error
    made = get_revision(zoo, NAME)
    assert done.result["revision"] == made.address
    assert made.previous == last.id
    assert {GRAPH, "notes.txt", *network} <= paths(made)
    assert local_files(zoo, made)[CARD].read_bytes() == README + b"more"
    assert waiting(zoo) == []


def test_a_card_and_what_can_predict_already_get_none(zoo, send, network):
    send(network)
    work(zoo)
    kept = send({CARD: README, "notes.txt": b"beside"})
    assert GRAPH in paths(kept)
    assert waiting(zoo) == []


def test_a_network_that_is_changed_is_made_able_to_predict_again(zoo, send, network):
    send(network | {CARD: README})
    first = work(zoo).result["revision"]
    changed = network["deploy.prototxt"].replace(b'name: "LeNet"', b'name: "Other"', 1)
    sent = send({"deploy.prototxt": changed + b"\n"})
    assert GRAPH not in paths(sent)
    done = work(zoo)
    assert done.state is JobState.SUCCEEDED, done.error
    made = get_revision(zoo, NAME)
    assert made.address == done.result["revision"] != first
    assert GRAPH in paths(made)
    assert local_files(zoo, made)[CARD].read_bytes() == README


def test_a_commit_while_the_job_runs_is_the_one_that_counts(zoo, send, network, monkeypatch):
    make, made = import_._make, []

    def make_and_commit(*arguments):
        found = make(*arguments)
        if not made:
            send({"notes.txt": b"beside"})
        made.append(found)
        return found

    monkeypatch.setattr(import_, "_make", make_and_commit)
    send(network)
    done = work(zoo)
    assert done.state is JobState.SUCCEEDED, done.error
    assert len(made) == 2
    assert {GRAPH, "notes.txt"} <= paths(get_revision(zoo, NAME))
    assert waiting(zoo) == []


def test_a_commit_while_a_job_finds_nothing_to_do_gets_another(zoo, send, network, monkeypatch):
    send(network)
    send({}, deleted=tuple(network))

    def succeed(zoo, attempt, result):
        send(network)
        assert waiting(zoo) == []  # The job still counts as one for it.
        real(zoo, attempt, result)

    real = jobs.succeed
    monkeypatch.setattr(jobs, "succeed", succeed)
    done = work(zoo)
    assert "nothing" in done.result["note"]
    monkeypatch.undo()
    assert len(waiting(zoo)) == 1
    assert work(zoo).state is JobState.SUCCEEDED
    assert GRAPH in paths(get_revision(zoo, NAME))


def test_what_cannot_be_right_is_kept_and_leaves_a_failed_job(zoo, send, network):
    broken = {path: data[: len(data) // 2] for path, data in network.items()}
    sent = send(broken)
    done = work(zoo)
    assert done.state is JobState.FAILED
    assert done.error["error"]["hint"]
    assert get_revision(zoo, NAME) == sent


def test_other_branches_and_other_files_get_none(zoo, send, network):
    send({"notes.txt": b"beside", "data.csv": b"x"})
    add_ref(zoo, NAME, "draft", kind=RefKind.BRANCH)
    send(network, ref="draft")
    assert waiting(zoo) == []


def test_where_clients_have_their_own_config_what_runs_has_a_branch(
    zoo, send, network, monkeypatch
):
    """As for transformers, whose clients could not read main any more."""
    monkeypatch.setattr(import_, "TRANSFORMERS", "caffe")
    monkeypatch.setattr(
        import_,
        "_renamed",
        lambda zoo, _source, paths: zoo.blobs.put([paths["model.safetensors"].read_bytes()]),
    )
    config = json.dumps({"model_type": "mine"}).encode()
    sent = send(network | {"settings.json": config})
    done = work(zoo)
    assert done.state is JobState.SUCCEEDED, done.error
    assert get_revision(zoo, NAME) == sent
    served = get_revision(zoo, f"{NAME}:served")
    assert {GRAPH, CONFIG} <= paths(served)
    assert served.parent == sent.address
