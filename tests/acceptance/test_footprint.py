"""What is not loaded costs nothing."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"torch", "sklearn", "scipy", "onnx", "onnxruntime"}
MOST_RSS = 150 * 2**20


def imports(code, environment):
    """Run code and return the top-level packages it loaded."""
    ran = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.findall(r"^import time:.*\|\s*(\S+)$", ran.stderr, re.MULTILINE)
    assert found
    return {name.partition(".")[0] for name in found}


def test_the_web_app_loads_no_torch(zoo_command):
    loaded = imports("import wsgi", zoo_command.environment())
    assert "flask" in loaded
    assert not loaded & HEAVY


def test_help_loads_hardly_anything(zoo_command):
    code = "from zoo.commands.main import main; main(['--help'])"
    loaded = imports(code, zoo_command.environment())
    assert "click" in loaded
    assert not loaded & (HEAVY | {"numpy", "sqlalchemy", "pydantic", "PIL", "flask", "alembic"})


@pytest.mark.usefixtures("imported")
@pytest.mark.parametrize("command", [["list"], ["show", "lenet"], ["jobs"], ["datasets", "list"]])
def test_a_quick_command_loads_no_engine(zoo_command, command):
    code = f"from zoo.commands.main import main; main({command!r})"
    assert not imports(code, zoo_command.environment()) & HEAVY


@pytest.mark.usefixtures("imported")
def test_the_web_process_is_small_before_a_model_is_loaded(serve, zoo_command):
    with serve() as server:
        for path in ("/v1/health", "/v1/models", "/openapi.json"):
            assert server.ask(path)[0] == 200
        web = [
            number
            for number in zoo_command.processes()
            if b"gunicorn" in Path(f"/proc/{number}/cmdline").read_bytes()
        ]
        assert len(web) == 2  # gunicorn's arbiter and its one worker
        assert max(map(resident_bytes, web)) < MOST_RSS


def resident_bytes(number):
    pages = int(Path(f"/proc/{number}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
