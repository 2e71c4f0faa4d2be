"""Clients of the Hub as they are, against a real server that asks for tokens."""

import json
import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

CALLS = Path(__file__).with_name("hub_calls.py")
SAFETY_S = 300
# Those of other versions come from the package index, into environments of their own.
VERSIONS = ["1.10.2", "0.36.0"]
# Calls that a version does not have, or sends to huggingface.co whatever HF_ENDPOINT says.
MISSING = {"1.10.2": {"card"}, "0.36.0": {"card", "verify_checksums"}}


@pytest.fixture(scope="session")
def interpreter(tmp_path_factory):
    """A function that gives the interpreter of an environment with a version of the client."""

    def install(version):
        folder = tmp_path_factory.mktemp("client")
        venv.create(folder, with_pip=True)
        python = folder / "bin" / "python"
        done = subprocess.run(
            [python, "-m", "pip", "install", "-q", f"huggingface_hub=={version}", "hf_xet"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 and "CI" not in os.environ:
            pytest.skip(f"huggingface_hub {version} cannot be installed: {done.stderr[-500:]}")
        assert done.returncode == 0, done.stderr
        return python

    return install


@pytest.fixture
def hub(serve):
    """A server that asks for tokens, and an environment that leads clients to it."""
    with serve(ZOO_ACCESS="tokens") as server:
        server.token = re.search(r"zoo_\S+", server.process.stderr.readline())[0]
        yield server


def environment(server, tmp_path, **more):
    return os.environ | {
        "HF_ENDPOINT": server.url,
        "HF_TOKEN": server.token,
        "HF_HOME": str(tmp_path / "hf"),
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "NO_PROXY": "127.0.0.1",
        **more,
    }


def run_calls(python, server, tmp_path, **more):
    done = subprocess.run(
        [python, CALLS, server.url, server.token],
        env=environment(server, tmp_path, **more),
        capture_output=True,
        text=True,
        check=False,
        timeout=SAFETY_S,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    return told["version"], {name: error for name, error in told["calls"].items() if error}


@pytest.mark.parametrize("is_xet", [True, False], ids=["xet", "lfs"])
def test_the_installed_client_works_unchanged(hub, tmp_path, is_xet):
    more = {} if is_xet else {"HF_HUB_DISABLE_XET": "1"}
    _, failed = run_calls(sys.executable, hub, tmp_path, **more)
    assert not failed, "\n".join(failed.values())


def test_large_files_are_sent_in_parts(serve, tmp_path):
    with serve(ZOO_ACCESS="tokens", ZOO_UPLOAD_PART_BYTES=str(2**20)) as server:
        server.token = re.search(r"zoo_\S+", server.process.stderr.readline())[0]
        _, failed = run_calls(sys.executable, server, tmp_path, HF_HUB_DISABLE_XET="1")
    assert not failed, "\n".join(failed.values())


@pytest.mark.parametrize("version", VERSIONS)
def test_other_versions_work_unchanged(hub, interpreter, tmp_path, version):
    found, failed = run_calls(interpreter(version), hub, tmp_path)
    assert found == version
    assert failed.keys() == MISSING.get(version, set()), "\n".join(failed.values())


def test_the_hf_command_works_unchanged(hub, tmp_path):
    hf = Path(sys.executable).with_name("hf")
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "weights.bin").write_bytes(os.urandom(100_000))

    def run(*arguments):
        done = subprocess.run(
            [hf, *arguments],
            env=environment(hub, tmp_path),
            capture_output=True,
            text=True,
            check=False,
            timeout=SAFETY_S,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "admin" in run("auth", "whoami")
    run("repos", "create", "admin/cli")
    run("upload", "admin/cli", str(tmp_path / "up"))
    run("repos", "tag", "create", "admin/cli", "v1")
    assert "admin/cli" in run("models", "ls", "--author", "admin", "--quiet")
    run("download", "admin/cli", "--local-dir", str(tmp_path / "down"), "--revision", "v1")
    assert (tmp_path / "down" / "weights.bin").read_bytes() == (
        tmp_path / "up" / "weights.bin"
    ).read_bytes()
    run("repos", "delete", "admin/cli", "--yes")


TIMM = """
import torch
from zoo.networks.vision.libraries import import_timm
timm = import_timm()
model = timm.create_model("test_resnet", num_classes=3).eval()
timm.models.push_to_hf_hub(model, "admin/resnet", model_config={"label_names": ["a", "b", "c"]})
again = timm.create_model("hf_hub:admin/resnet", pretrained=True).eval()
other = timm.create_model("hf_hub:admin/resnet", pretrained=True, num_classes=7)
picture = torch.rand(1, 3, 160, 160)
with torch.no_grad():
    print(float((model(picture) - again(picture)).abs().max()), other(picture).shape[1])
"""
TRANSFORMERS = """
import torch
from zoo.networks.vision.libraries import import_transformers
transformers = import_transformers()
config = transformers.ResNetConfig(
    embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], num_labels=3, layer_type="basic")
model = transformers.ResNetForImageClassification(config).eval()
model.push_to_hub("admin/small")
again = transformers.AutoModelForImageClassification.from_pretrained("admin/small").eval()
picture = torch.rand(1, 3, 32, 32)
with torch.no_grad():
    print(float((model(picture).logits - again(picture).logits).abs().max()), 3)
"""


@pytest.mark.parametrize(
    ("script", "classes"), [(TIMM, 7), (TRANSFORMERS, 3)], ids=["timm", "transformers"]
)
def test_libraries_push_and_load_what_they_pushed(hub, tmp_path, script, classes):
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(hub, tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=SAFETY_S,
    )
    assert done.returncode == 0, done.stderr
    difference, found = done.stdout.split()[-2:]
    assert (float(difference), int(found)) == (0.0, classes)


def test_a_stranger_finds_no_private_model(hub, tmp_path):
    script = (
        "import huggingface_hub as h, sys\n"
        "api = h.HfApi(token=sys.argv[1] if sys.argv[1] != '-' else False)\n"
        "print(api.repo_exists('admin/secret'))"
    )

    def exists(token):
        done = subprocess.run(
            [sys.executable, "-c", script, token],
            env=environment(hub, tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip() or done.stderr

    status, _ = hub.ask("/api/repos/create", {"name": "secret", "private": True}, token=hub.token)
    assert status == 200
    _, made = hub.ask("/v1/tokens", {"account": "ada"}, token=hub.token)
    assert [exists(token) for token in (hub.token, made["secret"], "-")] == [
        "True",
        "False",
        "False",
    ]
