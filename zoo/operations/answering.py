"""Writing down what comes of many pictures, and going on where that was cut off."""

from collections.abc import Callable, Iterable, Iterator

from zoo.domain.prediction import Answered, Asked
from zoo.operations.answer_lines import Telling
from zoo.operations.bulk import Answers
from zoo.operations.tally import Tally
from zoo.operations.unfinished import Unfinished, differs

Answer = Callable[[Iterable[Asked]], Answers]


def keep_answers(
    unfinished: Unfinished,
    telling: Telling,
    asked: Iterable[Asked],
    answer: Answer,
    tally: Tally,
) -> Iterator[Answered]:
    """Write a line for each picture and give what came of it; lines that are there are kept.

    The pictures of lines that are there are counted, and neither asked again nor given.

    Raises:
        Conflict: the lines that are there are of other pictures.
    """
    rest = iter(asked)
    if not _pass_kept(unfinished, telling, rest, tally):
        unfinished.append(telling.head())
    for answered in answer(rest):
        unfinished.append(telling.line(answered))
        tally.add(telling.look(answered))
        yield answered


def _pass_kept(
    unfinished: Unfinished, telling: Telling, asked: Iterator[Asked], tally: Tally
) -> bool:
    """Pass the pictures whose lines are there; tell whether there is any line."""
    head, lines = telling.head(), unfinished.kept()
    has_any = False
    if head:
        first = next(lines, "")
        has_any = bool(first)
        if first not in {"", head}:
            raise differs(unfinished.folder)
    for line in lines:
        has_any = True
        one = next(asked, None)
        if one is None or not telling.is_line_of(line, one):
            raise differs(unfinished.folder)
        tally.add(telling.look_at_line(line))
    return has_any
