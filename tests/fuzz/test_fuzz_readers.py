"""Some hundred damaged files of every format, and the files made to harm, each in its own process.

The same programs take 100,000 and more: see ``fuzz_readers.py``.
"""

import subprocess
import sys
from pathlib import Path

import pytest

FUZZER = Path(__file__).with_name("fuzz_readers.py")
FORMATS = ("caffemodel", "config", "hdf5", "mean", "onnx", "prototxt", "pth", "safetensors")
PATIENCE = "60"  # A test tells what hangs, not how fast the machine is; the command tells that.


def run(*arguments):
    # A process of its own: what it watches cannot be unwatched, and a library may crash.
    command = [sys.executable, str(FUZZER), "--patience", PATIENCE, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", FORMATS)
def test_a_damaged_file_is_read_or_refused_within_its_bounds(name):
    status, said = run("--format", name, "--inputs", "300", "--seed", "2")
    assert status == 0, said
    assert f"{name}: 300 inputs" in said


@pytest.mark.parametrize("name", ["caffemodel", "config", "onnx", "prototxt", "pth", "safetensors"])
def test_a_file_made_to_harm_is_refused(name):
    status, said = run("--bombs", "--format", name)
    assert status == 0, said
    assert said.count(" bytes ") >= 2
