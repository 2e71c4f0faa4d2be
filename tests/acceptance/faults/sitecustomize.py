"""Disks that fail, for whichever Python process has this folder in its PYTHONPATH.

ZOO_TEST_FAULTS is a JSON object: ``folder`` is where notes are kept, ``fails``, ``slow`` and
``dies`` say how likely each is at a step. The steps are those on which a store's promise stands:
syncing a file, renaming it, syncing a folder. What is done and what is synced is noted in order, so
that ``power_cut`` of tests/acceptance/test_chaos.py can take back what a disk would have lost.

A file whose sync fails loses its bytes, as where a kernel drops the pages it could not write; names
whose folder's sync fails are lost whatever is synced later. With ``full`` in its folder of notes a
disk takes some of the bytes of a write to the store and has no room for the rest.
"""

import errno
import json
import os
import random
import secrets
import signal
import stat
import sys
import time
from pathlib import Path

ASKED = json.loads(os.environ.get("ZOO_TEST_FAULTS", "{}"))
DRAW = random.Random()
SLOWEST_S = 0.3
FSYNC, REPLACE, MKDIR = os.fsync, os.replace, os.mkdir
UNLINK, RMDIR = os.unlink, os.rmdir


def note(**what):
    """Write down in one piece what is about to happen, or has."""
    line = json.dumps(what).encode() + b"\n"
    descriptor = os.open(NOTES / "notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def is_ours(path):
    """Tell whether a path is in the store."""
    return str(path).startswith(STORE)


def happens(what):
    """Draw whether a fault happens at this step."""
    return DRAW.random() < ASKED.get(what, 0)


def die_perhaps():
    """Let the process end here and now, as by a power cut."""
    if happens("dies"):
        os.kill(os.getpid(), signal.SIGKILL)


def fsync(descriptor):
    """Sync a file or folder, slowly, or fail and lose what was to be synced."""
    number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
    path = Path(f"/proc/self/fd/{number}").readlink()
    if not is_ours(path) and path != Path(STORE).parent:
        FSYNC(number)
        return
    die_perhaps()
    if happens("slow"):
        time.sleep(DRAW.random() * SLOWEST_S)
    found, token = os.fstat(number), secrets.token_hex(8)
    is_folder = stat.S_ISDIR(found.st_mode)
    if is_folder:
        note(act="begin", token=token, folder=str(path))
    if happens("fails"):
        if is_folder:
            note(act="lost", token=token)
        else:
            os.pwrite(number, bytes(min(found.st_size, 4096)), 0)
        raise OSError(errno.EIO, "Input/output error")
    FSYNC(number)
    if is_folder:
        note(act="end", token=token)
    else:
        note(act="file", inode=found.st_ino, size=found.st_size)
    die_perhaps()


def replace(source, target, **more):
    """Rename a file, having kept what lay there before."""
    if is_ours(target):
        found, old = Path(source).stat(), None
        if Path(target).exists():
            old = NOTES / secrets.token_hex(16)
            os.link(target, old)
        note(
            act="replace",
            target=str(target),
            inode=found.st_ino,
            size=found.st_size,
            old=str(old) if old else None,
        )
        die_perhaps()
    REPLACE(source, target, **more)
    if is_ours(target):
        die_perhaps()


def mkdir(path, *arguments, **more):
    """Make a folder."""
    MKDIR(path, *arguments, **more)
    if is_ours(path):
        note(act="mkdir", target=str(path), inode=Path(path).stat().st_ino)
        die_perhaps()


def unlink(path, **more):
    """Forget a file; another may come to have its number."""
    UNLINK(path, **more)
    if is_ours(path):
        note(act="gone", target=str(path))


def rmdir(path, **more):
    """Forget a folder; another may come to have its number."""
    RMDIR(path, **more)
    if is_ours(path):
        note(act="gone", target=str(path))


class Narrow:
    """A file on a disk that may be full."""

    def __init__(self, file):
        self.file = file

    def fileno(self):
        return self.file.fileno()

    def write(self, octets):
        if not (NOTES / "full").exists():
            return self.file.write(octets)
        fits = DRAW.randrange(len(octets) + 1)
        if DRAW.random() < 0.5 and fits:
            return self.file.write(octets[:fits])
        raise OSError(errno.ENOSPC, "No space left on device")


if ASKED and "zoo" in "".join(sys.orig_argv):
    NOTES = Path(ASKED["folder"])
    STORE = str(Path(os.environ["ZOO_HOME"]) / "blobs")
    os.fsync, os.replace, os.mkdir = fsync, replace, mkdir
    os.unlink, os.rmdir = unlink, rmdir
    if ASKED.get("fills"):
        from zoo.storage import local

        write = local._write
        local._write = lambda file, chunks: write(Narrow(file), chunks)
