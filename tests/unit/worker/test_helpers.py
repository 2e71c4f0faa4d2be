"""The ranks of a training on one machine, before they have met."""

import subprocess
import sys

SAFETY_S = 120  # Nothing here depends on speed; this ends what hangs.
PROGRAM = """
import subprocess, sys
import torch
from zoo.worker import helpers
helpers._start = lambda *_: subprocess.Popen([sys.executable, "-c", "raise SystemExit(3)"])
with helpers.helped(None, None, 2, torch.device("cpu")):
    print("met")
"""


def test_a_rank_that_ends_before_the_meeting_is_not_waited_for():
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        capture_output=True,
        text=True,
        timeout=SAFETY_S,
        check=False,
    )
    assert ran.returncode == 1
    assert "a rank of this training ended with 3 before all met" in ran.stderr
    assert not ran.stdout
