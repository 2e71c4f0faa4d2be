"""`zoo serve`: web and worker together, stopped and started at any time."""

import re
import signal
import socket
import subprocess
import time

import pytest

JOB = {"model": "lenet", "dataset": "digits", "name": "mine"}


@pytest.mark.usefixtures("imported")
def test_a_model_is_fine_tuned_and_predicts_over_rest(serve, digits, check_store):
    with serve() as server:
        assert server.ask("/v1/health")[0] == 200
        status, job = server.ask("/v1/jobs", JOB)
        assert (status, job["state"]) == (202, "queued")
        done = server.wait_for(job["id"])
        assert done["state"] == "succeeded", done["error"]
        assert done["result"]["accuracy"]["total"] == 10
        picture = min((digits / "7").iterdir()).read_bytes()
        status, answer = server.ask("/v1/models/mine/predict", picture, content_type="image/png")
        assert status == 200
        assert answer["predictions"][0]["scores"][0]["label"] == "7"
        code, out, err = server.stop(signal.SIGTERM)
    assert (code, out) == (0, "")
    assert "Traceback" not in err
    assert set(check_store()) == {"lenet", "mine"}


def test_a_package_is_uploaded_and_made_able_to_predict(serve, starter, digits):
    files = {path.name: path.read_bytes() for path in starter.iterdir()}
    with serve() as server:
        status, answer = server.upload("net", files)
        assert status == 201
        assert server.wait_for(answer["job"])["state"] == "succeeded"
        picture = min((digits / "7").iterdir()).read_bytes()
        assert server.ask("/v1/models/net/predict", picture, content_type="image/png")[0] == 200


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_job_outlives_the_server_that_ran_it(serve, zoo_command, check_store, name):
    with serve() as server:
        _, job = server.ask("/v1/jobs", JOB)
        server.wait_for(job["id"], until={"running"})
        code, _, err = server.stop(name)
        assert code == 0
        assert "Traceback" not in err
        assert zoo_command.processes() == []
    left = zoo_command.ok("jobs", "show", job["id"], "--json").json
    assert left["state"] == "queued"
    assert set(check_store()) == {"lenet"}
    with serve() as server:
        done = server.wait_for(job["id"])
        assert (done["state"], done["attempt"]) == ("succeeded", 2)
        assert server.ask("/v1/models/mine")[0] == 200


def test_a_port_in_use_is_told(zoo_command):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = zoo_command("serve", "--port", port)
    assert (ran.code, ran.out) == (1, "")
    assert f"127.0.0.1:{port}" in ran.told
    assert "--port" in ran.err.splitlines()[-1]


def test_an_address_that_others_can_reach_asks_for_the_token_that_is_told_once(serve, home):
    with serve("--host", "0.0.0.0") as server:
        secret = re.search(r"zoo_\S+", server.process.stderr.readline())[0]
        assert server.ask("/v1/models")[0] == 401
        assert server.ask("/v1/models", token=secret)[0] == 200
        assert server.ask("/v1/whoami", token=secret)[1]["roles"]["*"] == "admin"
        server.stop()
    kept = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"first token" in kept
    assert secret.encode() not in kept
    with serve("--host", "0.0.0.0") as server:
        assert server.ask("/v1/models", token=secret)[0] == 200
        assert "zoo_" not in server.stop()[2]


def test_a_host_that_is_not_there_is_told(zoo_command):
    ran = zoo_command("serve", "--host", "nowhere.invalid", "--port", "0")
    assert (ran.code, ran.out) == (1, "")
    assert "nowhere.invalid" in ran.told


def test_everything_ends_when_the_web_process_does(serve, zoo_command):
    with serve() as server:
        for number in zoo_command.processes():
            if number != server.process.pid:
                subprocess.run(["kill", "-KILL", str(number)], check=False)
        _, err = server.process.communicate()
        assert server.process.returncode == 1
        assert "error: The web process ended by itself." in err
        assert zoo_command.processes() == []


def test_two_servers_share_one_zoo(serve, digits):
    with serve() as one, serve() as other:
        body = digits.parent / "digits.zip"
        assert not body.exists()
        assert one.url != other.url
        assert one.upload("a", {"README.md": b"# a"})[0] == 201
        assert other.ask("/v1/models/a")[0] == 200


def test_an_upload_that_breaks_off_publishes_nothing(serve):
    with serve() as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/models/net/revisions HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Length: 100000\r\n"
                b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n"
                b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'
            )
        assert server.ask("/v1/models/net")[0] == 404
        assert server.ask("/v1/health")[0] == 200
        assert server.stop()[0] == 0


@pytest.mark.parametrize("chunks", [b"3\r\nabc\r\n", b"ffff\r\nabc"], ids=["between", "within"])
def test_an_upload_in_chunks_that_breaks_off_publishes_nothing(serve, chunks):
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
    with serve() as server:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(
                b"POST /v1/models/net/revisions HTTP/1.1\r\nHost: localhost\r\n"
                b"Transfer-Encoding: chunked\r\n"
                b"Content-Type: multipart/form-data; boundary=edge\r\n\r\n"
                + b"%x\r\n%s\r\n" % (len(head), head)
                + chunks
            )
        assert server.ask("/v1/models/net")[0] == 404
        assert server.stop()[0] == 0


@pytest.mark.usefixtures("imported")
def test_a_worker_alone_does_the_jobs(zoo_command):
    job = zoo_command.ok("finetune", "lenet", "digits", "--detach").out.strip()
    worker = zoo_command.start("worker")
    while (state := zoo_command.ok("jobs", "show", job, "--json").json["state"]) in {
        "queued",
        "running",
    }:
        time.sleep(0.1)
    assert state == "succeeded"
    worker.send_signal(signal.SIGTERM)
    worker.communicate()
    assert worker.returncode == 0
