"""A real server whose bytes are in S3: clients of the Hub and `zoo pull` get them from there."""

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


def test_models_are_pushed_and_pulled_over_s3(serve, zoo_command, s3_settings, tmp_path):
    store = {f"ZOO_{name.upper()}": value for name, value in s3_settings.items()}
    with serve(**store, **HERE, ZOO_ACCESS="tokens") as server:
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
        there = {"ZOO_URL": server.url, "ZOO_TOKEN": token, **HERE}
        other.ok("pull", "lab/net", env=there)
        other.ok("push", "lab/net", "--name", "lab/copy", env=there)
        pushed = (tmp_path / "client" / "up" / "model.safetensors").read_bytes()
        assert other.read_file("lab/net", "model.safetensors") == pushed
        assert server.ask("/v1/models/lab/copy", token=token)[0] == 200
    bucket, _, prefix = s3_settings["store"].removeprefix("s3://").partition("/")
    options = {"endpoint": s3_settings["store_endpoint"], "client_options": {"allow_http": True}}
    kept = S3Store(bucket, prefix=prefix, **options)
    sizes = [one["size"] for some in obstore.list(kept, "blobs") for one in some]
    assert sizes.count(len(pushed)) == 1
    assert not (zoo_command.home / "blobs").exists()
