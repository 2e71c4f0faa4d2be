"""Jobs that run in a copy of the process that asks for them.

The test process has threads of its own and cannot be copied, so a small program is.
"""

import json
import subprocess
import sys
import textwrap
import threading

import pytest

from zoo.worker.forked import can_fork

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux")
WAIT_S = 60


def run_program(text, tmp_path):
    """Run a program that copies itself; give what it printed last, as JSON, and the copy's log."""
    program, log = tmp_path / "program.py", tmp_path / "log"
    head = f"""
        import json, os, signal, subprocess, sys, time
        from pathlib import Path
        from zoo.worker.forked import can_fork, fork
        log = open({str(log)!r}, "ab")
        folder = Path({str(tmp_path)!r})
        assert can_fork()
    """
    program.write_text(textwrap.dedent(head) + textwrap.dedent(text))
    command = [sys.executable, str(program)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=WAIT_S, cwd=tmp_path)
    return json.loads(done.stdout.splitlines()[-1]), log.read_text()


def test_a_process_with_a_second_thread_is_not_copied():
    go_on = threading.Event()
    thread = threading.Thread(target=go_on.wait)
    thread.start()
    try:
        assert not can_fork()
    finally:
        go_on.set()
        thread.join()


def test_a_copy_prints_to_the_log_in_a_session_of_its_own(tmp_path):
    told, log = run_program(
        """
        def body():
            print("said", os.getsid(0) == os.getpid())
            print(sys.stdin.read() == "", file=sys.stderr)
            os.write(1, b"raw\\n")
        print("before, once", end=" ")
        child = fork(body, log)
        print(json.dumps(None))
        print(json.dumps([child.wait(30), child.poll(), os.getsid(0) == child.pid]))
        """,
        tmp_path,
    )
    assert told == [0, 0, False]
    assert sorted(log.split("\n")) == ["", "True", "raw", "said True"]


def test_a_copy_does_nothing_of_what_the_first_process_had_still_to_do(tmp_path):
    told, log = run_program(
        """
        import atexit
        atexit.register(lambda: (folder / f"atexit-{os.getpid()}").touch())
        def body():
            raise SystemExit(0)
        try:
            child = fork(body, log)
        finally:
            (folder / f"finally-{os.getpid()}").touch()
        code = child.wait(30)
        left = [len(list(folder.glob(f"{name}-*"))) for name in ("finally", "atexit")]
        print(json.dumps([code, *left]))
        """,
        tmp_path,
    )
    assert told == [1, 1, 0]
    assert "SystemExit" in log
    assert len(list(tmp_path.glob("atexit-*"))) == 1


def test_a_copy_keeps_no_file_of_the_first_process_open(tmp_path):
    told, _ = run_program(
        """
        reading, writing = os.pipe()
        def body():
            (folder / "ready").touch()
            time.sleep(60)
            os.write(writing, b"never")
        child = fork(body, log)
        os.close(writing)
        while not (folder / "ready").exists():
            time.sleep(0.01)
        ended = os.read(reading, 1)  # It would wait for the copy, if that could write.
        child.kill()
        print(json.dumps([ended.decode(), child.wait(30)]))
        """,
        tmp_path,
    )
    assert told == ["", -9]


def test_an_object_that_closes_its_file_in_a_copy_closes_none_of_the_copys(tmp_path):
    told, log = run_program(
        """
        held = open(os.devnull)
        def body():
            global held
            mine = open(folder / "mine", "w", buffering=1)
            held = None
            mine.write("whole")
            mine.close()
        child = fork(body, log)
        print(json.dumps([child.wait(30), (folder / "mine").read_text()]))
        """,
        tmp_path,
    )
    assert (told, log) == ([0, "whole"], "")


def test_a_copy_outlives_ctrl_c_and_ends_when_it_is_asked_to(tmp_path):
    told, _ = run_program(
        """
        def body():
            (folder / "ready").touch()
            while not (folder / "heard").exists():
                time.sleep(0.01)
            (folder / "lives").touch()
            time.sleep(60)
        child = fork(body, log)
        while not (folder / "ready").exists():
            time.sleep(0.01)
        os.kill(child.pid, signal.SIGINT)
        (folder / "heard").touch()
        while not (folder / "lives").exists():
            time.sleep(0.01)
        try:
            child.wait(0.01)
        except subprocess.TimeoutExpired:
            child.terminate()
        code = child.wait(30)
        child.terminate()  # of what has ended already
        print(json.dumps(code))
        """,
        tmp_path,
    )
    assert told == -15


def test_a_copy_imports_nothing_from_the_folder_the_user_stands_in(tmp_path):
    (tmp_path / "torch.py").write_text("raise SystemError('the wrong torch')")
    told, log = run_program(
        """
        sys.path.insert(0, os.getcwd())
        def body():
            import importlib.util
            print(importlib.util.find_spec("torch").origin)
        print(json.dumps(fork(body, log).wait(30)))
        """,
        tmp_path,
    )
    assert told == 0
    assert str(tmp_path) not in log


def test_a_command_that_asks_for_a_fine_tune_can_be_copied_when_its_job_is_queued():
    program = """
        import sys
        import zoo.commands.finetune, zoo.operations.datasets, zoo.operations.finetune
        from zoo.worker.forked import can_fork
        import zoo.worker.supervisor
        heavy = {"numpy", "torch", "onnx", "onnxruntime"} & sys.modules.keys()
        print(can_fork(), sorted(heavy))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=WAIT_S)
    assert done.stdout.decode().strip() == "True []"
