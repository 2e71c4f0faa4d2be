"""Two real servers, as on two machines, that share nothing but PostgreSQL and S3."""

import os
import re
import subprocess
import sys
from pathlib import Path

import obstore
from obstore.store import S3Store

CALLS = Path(__file__).with_name("s3_calls.py")
SAFETY_S = 300
HERE = {"NO_PROXY": "127.0.0.1"}  # No proxy is asked for what is on this machine.


def test_what_one_machine_is_sent_the_other_gives(
    serve, zoo_command, tmp_path, postgresql_url, s3_settings
):
    shared = {f"ZOO_{name.upper()}": value for name, value in s3_settings.items()}
    shared |= {"ZOO_DATABASE_URL": postgresql_url, "ZOO_SIGNING_KEY": "of both", **HERE}
    second = type(zoo_command)(tmp_path / "second")
    with (
        serve(**shared, ZOO_ACCESS="tokens") as server,
        serve.func(second, **shared, ZOO_ACCESS="tokens") as beside,
    ):
        token = re.search(r"zoo_\S+", server.process.stderr.readline())[0]
        hub = {"HF_ENDPOINT": server.url, "HF_TOKEN": token, "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
        done = subprocess.run(
            [sys.executable, CALLS, tmp_path / "client"],
            env=os.environ | hub | HERE | {"HF_HOME": str(tmp_path / "hf")},
            capture_output=True,
            text=True,
            timeout=SAFETY_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stderr
        other = type(zoo_command)(tmp_path / "other")
        there = {"ZOO_URL": beside.url, "ZOO_TOKEN": token, **HERE}
        other.ok("pull", "lab/net", env=there)
        other.ok("push", "lab/net", "--name", "lab/copy", env=there)
        pushed = (tmp_path / "client" / "up" / "model.safetensors").read_bytes()
        assert other.read_file("lab/net", "model.safetensors") == pushed
        assert server.ask("/v1/models/lab/copy", token=token)[0] == 200
        answer = server.ask("/v1/models/lab/net", method="DELETE", token=token)
        assert beside.ask("/v1/models/lab/net", token=token)[0] == 404, answer
    bucket, _, prefix = s3_settings["store"].removeprefix("s3://").partition("/")
    options = {"endpoint": s3_settings["store_endpoint"], "client_options": {"allow_http": True}}
    kept = S3Store(bucket, prefix=prefix, **options)
    sizes = [one["size"] for some in obstore.list(kept, "blobs") for one in some]
    assert sizes.count(len(pushed)) == 1
    for command in (zoo_command, second):
        assert not (command.home / "blobs").exists()
        assert not (command.home / "zoo.db").exists()
