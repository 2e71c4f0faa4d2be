"""The benchmark of a device: every figure can be had on the CPU, and none without the device."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"


def run(script, *arguments):
    return subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )


def test_without_the_device_it_ends_with_one_line():
    ended = run("serving.py", "--device", "cuda")
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("CUDA was asked for, but")
    assert line.endswith("Nothing was measured.")


@pytest.mark.parametrize(
    ("figure", "name"),
    [
        ("plain", "session.run on CPUExecutionProvider"),
        ("way", "the way 'graphs'"),
        ("torch", "torch "),
    ],
)
def test_each_figure_is_had_on_the_cpu(tmp_path, graph, figure, name):
    path = tmp_path / "model.onnx"
    path.write_bytes(graph())
    arguments = ["--architecture", "resnet18", "--counts", "1,3", "--seconds", "0"]
    ended = run("device.py", figure, path, *arguments)
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert told["name"].startswith(name)
    assert list(told["rates"]) == ["1", "3"]
    assert all(rate > 0 for rate in told["rates"].values())
