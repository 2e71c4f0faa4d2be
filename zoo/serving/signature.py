"""What a graph takes and gives, checked against the form that the zoo's own graphs have."""

from collections.abc import Sequence
from typing import Any

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import NotRunnable

IMAGES, PROBABILITIES = "images", "probabilities"
FORM = "uint8 `images` of N x H x W x 3 to float `probabilities` of N x K"


def check_signature(session: Any, labels: tuple[str, ...], preprocessing: Preprocessing) -> None:  # noqa: ANN401  # the library has no types
    """Check that a session takes pictures of the crop's size and gives a number per label.

    Sides that a graph leaves open are checked when it runs.

    Raises:
        NotRunnable: it does not.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    found = [one for one in outputs if one.name == PROBABILITIES]
    _check(inputs, IMAGES, "tensor(uint8)", (1, *preprocessing.crop_px, 3))
    _check(found, PROBABILITIES, "tensor(float)", (1, len(labels)))


def _check(values: Sequence[Any], name: str, kind: str, expected: tuple[int, ...]) -> None:
    told = ", ".join(f"{one.type} {one.name!r} of {_shape(one.shape)}" for one in values)
    if [(one.name, one.type) for one in values] != [(name, kind)] or not _fits(
        values[0].shape, expected
    ):
        raise NotRunnable(
            f"The graph has {told or 'nothing'} where {kind} {name!r} of {_shape(expected)}"
            " should be.",
            hint=f"A graph of the zoo takes {FORM}, of the sizes its metadata tell.",
        )


def _fits(shape: Sequence[int | str | None], expected: tuple[int, ...]) -> bool:
    """Tell whether the sides that are told are those expected; the others are names or nothing."""
    return len(shape) == len(expected) and all(
        side == wanted
        for side, wanted in zip(shape, expected, strict=True)
        if isinstance(side, int)
    )


def _shape(shape: Sequence[object]) -> str:
    return " x ".join(map(str, shape)) or "no shape"
