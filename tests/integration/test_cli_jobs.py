"""`zoo jobs` and `zoo logs`: order, pauses, reruns, chains and logs at the terminal."""

import pytest

from zoo.commands import logs as logs_command
from zoo.domain.job import JobState
from zoo.operations import jobs, steering
from zoo.operations.opening import open_zoo
from zoo.settings import read_settings

pytestmark = pytest.mark.usefixtures("stocked")


@pytest.fixture
def zoo(home):
    with open_zoo(read_settings(home=home)) as zoo:
        yield zoo


@pytest.fixture
def ok(zoo_cli):
    """A function that gives what a command writes to stdout; it has to succeed."""

    def run(line):
        ran = zoo_cli(*line.split())
        assert ran.code == 0, ran.err
        return ran.out

    return run


@pytest.fixture
def queued(ok):
    """The number of a fine-tune in the queue."""
    return int(ok("finetune lenet digits --name mine -d"))


@pytest.mark.parametrize("line", ["jobs 2", "jobs show 2"])
def test_a_number_alone_shows_the_job(ok, line):
    told = ok(line)
    assert told.startswith("job 2  finetune  succeeded  lenet on digits\n")
    assert "attempt 1: the test  succeeded " in told


def test_a_job_tells_its_terms_and_how_often_it_is_tried(ok, queued):
    number = ok(
        f"quantize lenet-digits digits -d --after {queued} --priority -2 --threads 3 --memory 2G"
    )
    told = ok(f"jobs {number.strip()}")
    assert "waiting" in told
    assert f"priority -2\n  after job {queued}\n  asks for 3 threads, 2.1 GB of memory\n" in told
    assert "tried 3 times if its process dies" in told


def test_a_job_is_put_aside_ordered_resumed_and_run_again(ok, queued):
    assert ok(f"jobs pause {queued}") == f"job {queued}  paused\n"
    assert ok(f"jobs priority {queued} -5") == f"job {queued}  paused  priority -5\n"
    assert ok(f"jobs resume {queued}") == f"job {queued}  queued\n"
    again = ok("jobs rerun 2 --set seed=5 --set name=other").strip()
    assert "job 2 run again" in ok(f"jobs {again}")
    assert '"seed": 5' in ok(f"jobs {again} --json")


def test_a_job_that_is_put_aside_ends_who_waits_for_it(zoo_cli, ok, queued):
    ok(f"jobs pause {queued}")
    ran = zoo_cli("jobs", "follow", str(queued))
    assert ran.code == 5
    assert f"zoo jobs resume {queued}" in ran.err


@pytest.mark.parametrize("line", ["jobs rerun 2 --set epochs", "logs 2 -f --json"])
def test_what_makes_no_sense_is_wrong_usage(zoo_cli, line):
    assert zoo_cli(*line.split()).code == 2


def test_a_chain_is_queued_and_run_by_one_command(ok, zoo, work_off_jobs):
    numbers = ok("finetune lenet digits --name mine --then-quantize --alias production -d").split()
    assert len(numbers) == 3
    assert [job.state for job in work_off_jobs(zoo)] == [JobState.SUCCEEDED] * 3 or (
        # Whether fewer bits cost too much on so few pictures depends on the processor.
        jobs.get_job(zoo, int(numbers[1])).error["error"]["code"] == "gate_missed"
        and jobs.get_job(zoo, int(numbers[2])).error["error"]["code"] == "earlier_job_failed"
    )


@pytest.mark.parametrize(("alias", "said"), [("a b", "up to 128"), ("main", "is a branch")])
def test_an_alias_that_cannot_be_is_refused_before_anything_is_queued(zoo_cli, zoo, alias, said):
    before = jobs.list_jobs(zoo)
    ran = zoo_cli("finetune", "lenet", "digits", "--name", "mine", "--alias", alias)
    assert ran.code == 1
    assert said in ran.err
    assert jobs.list_jobs(zoo) == before


def test_a_command_brings_what_it_comes_after_to_its_end(ok, zoo, queued):
    told = ok("finetune lenet digits --name mine --alias production")
    assert "mine:production\n" in told
    assert jobs.get_job(zoo, queued).state is JobState.SUCCEEDED


def write(zoo, attempt, text):
    path = zoo.log_path(attempt)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def test_a_log_is_shown(ok, zoo, zoo_cli, queued):
    first = jobs.claim(zoo, worker=f"{zoo.machine}:1", number=queued)
    write(zoo, first, "first\n" + 70_000 * "x" + "\n")
    jobs.put_back(zoo, first)
    second = jobs.claim(zoo, worker=f"{zoo.machine}:1", number=queued)
    write(zoo, second, "second\n")
    assert ok(f"logs {queued}") == "second\n"
    assert ok(f"logs {queued} --attempt 1") == "first\n" + 70_000 * "x" + "\n"
    assert '"text": "second\\n"' in ok(f"logs {queued} --json")
    assert zoo_cli("logs", "99").code == 3
    assert zoo_cli("logs", str(queued), "--attempt", "9").code == 3


def test_a_log_is_followed_over_attempts_to_the_end_of_the_job(zoo_cli, zoo, queued, monkeypatch):
    first = jobs.claim(zoo, worker=f"{zoo.machine}:1", number=queued)
    write(zoo, first, "one\n")

    def go_on():
        write(zoo, first, "two\n")
        jobs.put_back(zoo, first)
        yield
        second = jobs.claim(zoo, worker=f"{zoo.machine}:1", number=queued)
        write(zoo, second, "three\n")
        yield
        jobs.succeed(zoo, second, {})
        while True:
            yield

    story = go_on()
    monkeypatch.setattr(logs_command.time, "sleep", lambda _s: next(story))
    ran = zoo_cli("logs", str(queued), "-f")
    assert (ran.code, ran.out) == (0, "one\ntwo\nthree\n")
    assert "-- attempt 2" in ran.err


def test_a_job_that_never_begins_has_nothing_to_follow(ok, queued):
    ok(f"jobs cancel {queued}")
    assert ok(f"logs {queued} -f") == ""


def test_logs_are_told_over_rest_in_parts(client, app, queued):
    zoo = app.extensions["zoo"]
    attempt = jobs.claim(zoo, worker=f"{zoo.machine}:1", number=queued)
    write(zoo, attempt, "one\n")
    answer = client.get(f"/v1/jobs/{queued}/log")
    assert (answer.json["text"], answer.json["next"]) == ("one\n", 4)
    url = f"/v1/jobs/{queued}/log?offset=4"
    tag = client.get(url).headers["ETag"]
    assert client.get(url, headers={"If-None-Match": tag}).status_code == 304
    write(zoo, attempt, "two\n")
    later = client.get(url, headers={"If-None-Match": tag})
    assert (later.status_code, later.json["text"]) == (200, "two\n")
    assert client.get(f"/v1/jobs/{queued}/log?attempt=4").status_code == 404
    assert client.get(f"/v1/jobs/{queued}/log?offset=-1").status_code == 400


def test_what_a_job_waits_for_is_told(ok, zoo_cli, zoo, client, monkeypatch):
    monkeypatch.setenv("ZOO_WORKER_THREADS", "2")
    ran = zoo_cli("finetune", "lenet", "digits", "--name", "large", "-d", "--threads", 64)
    assert "no worker of this machine will take a job that asks for 64 threads" in ran.err
    large = int(ran.out)
    why = "a larger machine than this one: it asks for 64 threads, of which it has 2"
    assert f"  waits for {why}\n" in ok(f"jobs {large}")
    after = int(ok(f"quantize job:{large} digits -d --threads 2"))
    assert f"  waits for job {large}, which is queued\n" in ok(f"jobs {after}")
    usual = int(ok("finetune lenet digits --name usual -d"))
    assert "  waits for its turn, and a worker with room for it\n" in ok(f"jobs {usual}")
    assert jobs.claim(zoo, worker="here:home:1", number=usual) is not None
    assert "waits for" not in ok(f"jobs {usual}")
    assert zoo_cli("jobs", usual, "--json").json["waits_for"] is None
    assert client.get(f"/v1/jobs/{after}").json["waits_for"] == f"job {large}, which is queued"
    page = client.get(f"/jobs/{after}", headers={"Accept": "text/html"}).text
    assert f"It waits for job {large}, which is queued." in page


def test_who_follows_a_log_is_told_what_the_job_waits_for(zoo_cli, queued, monkeypatch, zoo):
    monkeypatch.setattr(logs_command.time, "sleep", lambda _seconds: steering.cancel(zoo, queued))
    ran = zoo_cli("logs", queued, "-f")
    assert ran.err == f"job {queued} waits for its turn, and a worker with room for it\n"


def test_in_a_cluster_no_machine_is_said_to_be_too_small(zoo_cli, monkeypatch):
    monkeypatch.setenv("ZOO_ENGINE", "ray")
    ran = zoo_cli("finetune", "lenet", "digits", "--name", "large", "-d", "--threads", 4096)
    assert "no worker" not in ran.err
    told = zoo_cli("jobs", ran.out.strip()).out
    assert "waits for its turn" in told
