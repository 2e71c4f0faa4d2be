"""The tree of errors: each has its code, sentence and next step, and its place in the drawing."""

import errno
import re

import pytest

from zoo import errors
from zoo.errors import Damaged, Invalid, ZooError, is_full

BRANCHES = {ZooError, Invalid, Damaged, errors.NotFound, errors.Conflict, errors.Unsupported}


def walk(root):
    """Give a class and all below it."""
    return [root, *(each for child in root.__subclasses__() for each in walk(child))]


def drawn():
    """Read the drawing at the head of the file: (depth, name) in its order."""
    lines = re.findall(r"^(ZooError|[│├└─ ]+\w+)", errors.__doc__, re.MULTILINE)
    return [(re.search(r"\w", line).start() // 4, re.search(r"\w+", line)[0]) for line in lines]


def test_the_drawing_shows_the_tree_as_it_is():
    found = [
        (len(kind.__mro__) - ZooError.__mro__.index(Exception) - 3, kind.__name__)
        for kind in walk(ZooError)
    ]
    assert drawn() == found


def test_no_two_errors_share_a_code():
    codes = [kind.code for kind in walk(ZooError)]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("kind", walk(ZooError))
def test_an_error_has_its_name_as_its_code(kind):
    assert kind.code.replace("_", "") == kind.__name__.lower()
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", kind.code)


@pytest.mark.parametrize("kind", walk(ZooError))
def test_an_error_says_one_sentence_unless_told_a_better_one(kind):
    assert re.fullmatch(r"[A-Z].*\.", str(kind()))
    assert str(kind("Better.")) == "Better."


@pytest.mark.parametrize("kind", [kind for kind in walk(ZooError) if kind not in BRANCHES])
def test_an_error_has_a_next_step_of_its_own(kind):
    assert "hint" in vars(kind)
    assert kind.hint


def test_what_is_raised_can_carry_a_hint_and_a_detail():
    error = errors.BlobNotFound("Gone.", hint="Look again.", digest="ab")
    assert error.as_json() == {
        "error": {
            "code": "blob_not_found",
            "message": "Gone.",
            "hint": "Look again.",
            "detail": {"digest": "ab"},
        }
    }


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_full_disk_is_recognised(number):
    assert is_full(OSError(number, "whatever it says"))


def test_a_full_disk_is_recognised_as_the_cause():
    error = ValueError("cannot write")
    error.__cause__ = RuntimeError("likewise")
    error.__cause__.__context__ = OSError(errno.ENOSPC, "No space left on device")
    assert is_full(error)


def test_a_full_database_is_recognised():
    assert is_full(RuntimeError("(sqlite3.OperationalError) database or disk is full"))


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no"), ValueError("the disk is slow")])
def test_other_faults_are_not_called_full(error):
    assert not is_full(error)
