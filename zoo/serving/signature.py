"""What a graph takes and gives, checked against the form that the zoo's own graphs have."""

from collections.abc import Sequence
from typing import Any

from zoo.domain.preprocessing import Preprocessing
from zoo.errors import NotRunnable

IMAGES, PROBABILITIES = "images", "probabilities"
CLASSIFIER = "uint8 `images` of N x H x W x 3 to float `probabilities` of N x K"
DENSE = f"{CLASSIFIER} x h x w, H and W left open, where `zoo.dense` says how the map lies"

Expected = tuple[int | str, ...]  # sizes; a name stands for one that the graph leaves open


def check_signature(session: Any, labels: tuple[str, ...], preprocessing: Preprocessing) -> None:  # noqa: ANN401  # the library has no types
    """Check that a session takes pictures of the crop's size and gives a number per label.

    Sides that a graph leaves open are checked when it runs.

    Raises:
        NotRunnable: it does not.
    """
    _check_ends(session, (1, *preprocessing.crop_px, 3), (1, len(labels)))


def check_dense_signature(session: Any, labels: tuple[str, ...]) -> None:  # noqa: ANN401  # the library has no types
    """Check that a session takes pictures of any size and gives a map per label.

    Raises:
        NotRunnable: it does not.
    """
    _check_ends(session, (1, "height", "width", 3), (1, len(labels), "rows", "columns"))


def _check_ends(session: Any, images: Expected, probabilities: Expected) -> None:  # noqa: ANN401  # the library has no types
    outputs = [one for one in session.get_outputs() if one.name == PROBABILITIES]
    _check(session.get_inputs(), IMAGES, "tensor(uint8)", images)
    _check(outputs, PROBABILITIES, "tensor(float)", probabilities)


def _check(values: Sequence[Any], name: str, kind: str, expected: Expected) -> None:
    told = ", ".join(f"{one.type} {one.name!r} of {_shape(one.shape)}" for one in values)
    if [(one.name, one.type) for one in values] != [(name, kind)] or not _fits(
        values[0].shape, expected
    ):
        raise NotRunnable(
            f"The graph has {told or 'nothing'} where {kind} {name!r} of {_shape(expected)}"
            " should be.",
            hint=f"A classifier of the zoo takes {CLASSIFIER}, of the sizes its metadata tell;"
            f" a dense network {DENSE}.",
        )


def _fits(shape: Sequence[int | str | None], expected: Expected) -> bool:
    """Tell whether the sides that are told are those expected; the others are names or nothing."""
    return len(shape) == len(expected) and all(
        side == wanted
        for side, wanted in zip(shape, expected, strict=True)
        if isinstance(side, int)
    )


def _shape(shape: Sequence[object]) -> str:
    return " x ".join(map(str, shape)) or "no shape"
