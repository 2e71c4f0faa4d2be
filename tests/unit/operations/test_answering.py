"""Lines of answers: whole ones only, gone on with where they were cut off, counted."""

import csv
import io
import json
from pathlib import Path

import pytest

from zoo.domain.prediction import Answered, Asked, ClassScore
from zoo.errors import Conflict, UnreadablePicture
from zoo.operations.answer_lines import Form, Telling
from zoo.operations.answering import keep_answers
from zoo.operations.tally import Tally
from zoo.operations.unfinished import open_unfinished

NAMES = ["a.jpg", 'b,"c".jpg', "line\nbreak.jpg", "é.jpg", "broken.jpg", "z.jpg"]


def ask(names=NAMES):
    return [Asked(name=one, path=Path(one), truth="ant" if one < "c" else "bee") for one in names]


def answer(asked):
    """Say ant of all, the less sure the longer the name; one cannot be read."""
    for one in asked:
        if one.name == "broken.jpg":
            yield Answered(asked=one, error=UnreadablePicture("broken.jpg: cut short."))
            continue
        sure = 1 - len(one.name) / 100
        scores = (
            ClassScore(label="ant", index=0, probability=sure),
            ClassScore(label="bee", index=1, probability=1 - sure),
        )
        yield Answered(asked=one, scores=scores, provider="CPU")


def make_telling(form=Form.JSONL, **more):
    return Telling(**{"model": "m@1", "form": form, "top": 2, "has_truth": True} | more)


def write(folder, telling, *, stop=None, names=NAMES, called=None):
    """Write lines up to some answer, or all of them and the file; give the tally."""
    tally = Tally(labels=frozenset({"ant", "bee"}))

    def listen(asked):
        for one in answer(asked):
            if called is not None:
                called.append(one.asked.name)
            yield one

    with open_unfinished(folder / "out.part", telling.as_json()) as unfinished:
        answers = keep_answers(unfinished, telling, ask(names), listen, tally)
        for number, _ in enumerate(answers, 1):
            if number == stop:
                return tally
        unfinished.finish(folder / "out")
    return tally


@pytest.fixture(params=list(Form))
def form(request):
    return request.param


def test_lines_can_be_read_by_others(tmp_path, form):
    write(tmp_path, make_telling(form))
    text = (tmp_path / "out").read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert not (tmp_path / "out.part").exists()
    if form is Form.JSONL:
        rows = [json.loads(line) for line in text.splitlines()]
        assert [row["picture"] for row in rows] == NAMES
        assert rows[4]["error"]["code"] == "unreadable_picture"
        assert rows[0]["scores"][0] == {"label": "ant", "index": 0, "probability": 0.95}
        return
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["picture"].replace("\\n", "\n") for row in rows] == NAMES
    assert rows[4]["error"] == "broken.jpg: cut short."
    assert (rows[0]["label_1"], rows[0]["probability_1"], rows[0]["truth"]) == (
        "ant",
        "0.95",
        "ant",
    )
    assert len(text.splitlines()) == len(NAMES) + 1


@pytest.mark.parametrize("stop", [1, 3, 5])
@pytest.mark.parametrize("torn", [0, 1, 17])
def test_what_was_cut_off_goes_on_to_the_same_file_and_counts(tmp_path, form, stop, torn):
    telling = make_telling(form)
    whole = write(tmp_path, telling)
    expected = (tmp_path / "out").read_bytes()
    (tmp_path / "out").unlink()
    write(tmp_path, telling, stop=stop)
    lines = tmp_path / "out.part" / "lines"
    if torn:
        lines.write_bytes(lines.read_bytes()[:-torn])
    called = []
    resumed = write(tmp_path, telling, called=called)
    assert (tmp_path / "out").read_bytes() == expected
    assert called == NAMES[stop - bool(torn) :]
    assert resumed.as_json() == whole.as_json()


@pytest.mark.parametrize(
    "other", [{"model": "m@2"}, {"top": 1}, {"threshold": 0.5}, {"has_truth": False}]
)
def test_lines_of_another_request_are_left_alone(tmp_path, form, other):
    write(tmp_path, make_telling(form), stop=2)
    before = (tmp_path / "out.part" / "lines").read_bytes()
    with pytest.raises(Conflict, match="other answers"):
        write(tmp_path, make_telling(form, **other))
    assert (tmp_path / "out.part" / "lines").read_bytes() == before


@pytest.mark.parametrize("names", [["b.jpg", *NAMES], NAMES[:1], NAMES[1:]])
def test_lines_of_other_pictures_are_left_alone(tmp_path, form, names):
    write(tmp_path, make_telling(form), stop=2)
    with pytest.raises(Conflict, match="other answers"):
        write(tmp_path, make_telling(form), names=names)
    assert not (tmp_path / "out").exists()


def test_two_do_not_write_at_once(tmp_path):
    telling = make_telling()
    with (
        open_unfinished(tmp_path / "out.part", telling.as_json()),
        pytest.raises(Conflict, match="right now"),
    ):
        write(tmp_path, telling)


def test_a_beginning_of_nothing_leaves_nothing(tmp_path):
    with open_unfinished(tmp_path / "out.part", {}):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_came_meanwhile_is_not_written_over(tmp_path):
    telling = make_telling()
    write(tmp_path, telling, stop=2)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(Conflict, match="exists already"):
        write(tmp_path, telling)
    assert (tmp_path / "out").read_text() == "mine"
    assert (tmp_path / "out.part" / "lines").read_text().count("\n") == len(NAMES)


def test_a_summary_counts_what_was_said(tmp_path):
    tally = write(tmp_path, make_telling())
    assert (tally.predicted, tally.unreadable, tally.unsure) == (5, 1, 0)
    assert tally.classes == {"ant": 5}
    assert (tally.accuracy.right, tally.accuracy.total) == (2, 5)


def test_below_the_threshold_nothing_is_said(tmp_path):
    tally = write(tmp_path, make_telling(threshold=0.92))
    assert tally.unsure == 2
    assert tally.classes == {"ant": 3}
    assert (tally.accuracy.right, tally.accuracy.total) == (1, 3)


def test_labels_that_the_model_does_not_know_are_counted_apart():
    tally = Tally(labels=frozenset({"ant"}))
    telling = make_telling()
    tally.add_all(map(telling.look, answer(ask())))
    assert tally.unknown == 3
    assert (tally.accuracy.right, tally.accuracy.total) == (2, 2)


def test_a_name_of_other_bytes_can_be_written(tmp_path, form):
    names = [b"caf\xe9.jpg".decode("utf-8", "surrogateescape")]
    write(tmp_path, make_telling(form), names=names)
    assert "caf\\xe9.jpg" in (tmp_path / "out").read_text(encoding="utf-8").replace("\\\\", "\\")
