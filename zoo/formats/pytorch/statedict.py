"""Finding the state dict in a checkpoint: the names and tensors among all that training keeps."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice

from zoo.formats.pytorch.values import NumpyArray, OddKey, Record, Tensor

# Where trainers put the state dict, and which is taken where there are several.
PLACES = (
    "state_dict",
    "model",
    "model_state_dict",
    "net",
    "network",
    "params",
    "state_dict_ema",
    "model_ema",
    "ema_state_dict",
    "params_ema",
)
DEEPEST = 3  # dictionaries in dictionaries
PREFIXES = ("module.", "model.", "_orig_mod.", "backbone.")
MOST_TOLD = 16  # entries that are told of, of those left out
LONGEST_TEXT = 60  # letters of a text that is told

TensorValue = Tensor | NumpyArray


@dataclass(frozen=True, slots=True, kw_only=True)
class StateDict:
    """Tensors by name, where they were, and what lies there besides."""

    tensors: Mapping[str, TensorValue]
    path: tuple[str, ...]
    dropped: tuple[str, ...] = ()  # "epoch = 3", "optimizer (a dictionary of 2)"
    beside: tuple[str, ...] = ()  # other places with tensors


def find_state_dict(value: object) -> StateDict | None:
    """Find the tensors: at the top, in a place where trainers put them, or in the only other one.

    Where several places hold tensors, the first of ``PLACES`` is taken. None is given where there
    are no tensors, or where they lie in several places of which none is known.
    """
    search = _Search()
    return search.look(value, ())


@dataclass(slots=True)
class _Search:
    """One walk; no dictionary is looked at twice, however often it is mentioned."""

    counts: dict[int, int] = field(default_factory=dict)
    entered: set[int] = field(default_factory=set)

    def look(self, value: object, path: tuple[str, ...]) -> StateDict | None:
        if not isinstance(value, dict) or id(value) in self.entered or len(path) > DEEPEST:
            return None
        self.entered.add(id(value))
        for place in PLACES:
            found = self.look(value.get(place), (*path, place))
            if found:
                return self._among(value, place, found)
        if self._count(value):
            return _take(value, path)
        others = self._places(value)
        if len(others) != 1:
            return None
        return self._among(value, others[0], _take(value[others[0]], (*path, others[0])))

    def _among(self, value: dict[object, object], taken: str, found: StateDict) -> StateDict:
        """Add what lies beside the place that was taken."""
        others = {place for place in self._places(value) if value[place] is not value[taken]}
        left = {key: entry for key, entry in value.items() if key != taken and key not in others}
        return StateDict(
            tensors=found.tensors,
            path=found.path,
            dropped=(*found.dropped, *_tell(left)),
            beside=(*found.beside, *sorted(others - {taken})),
        )

    def _places(self, value: dict[object, object]) -> list[str]:
        return [
            key
            for key, entry in value.items()
            if isinstance(key, str) and isinstance(entry, dict) and self._count(entry)
        ]

    def _count(self, value: dict[object, object]) -> int:
        if id(value) not in self.counts:
            self.counts[id(value)] = sum(map(_is_named_tensor, value, value.values()))
        return self.counts[id(value)]


def find_prefix(names: list[str]) -> str:
    """Find what wrappers of networks have put before all names; a name is never used up."""
    found = ""
    while names:
        longer = [
            found + prefix
            for prefix in PREFIXES
            if all(len(name) > len(found + prefix) for name in names)
            and all(name.startswith(found + prefix) for name in names)
        ]
        if not longer:
            break
        found = longer[0]
    return found


def tell_keys(value: object) -> str:
    """Say what a value is that holds no tensors by name."""
    if not isinstance(value, dict):
        return f"it is {_describe(value)}"
    keys = [ascii(_tell_key(key)) for key in islice(value, MOST_TOLD)]
    return f"its keys are {', '.join(keys) or 'none'}"


def _take(value: dict[object, object], path: tuple[str, ...]) -> StateDict:
    tensors = {
        key: entry
        for key, entry in value.items()
        if isinstance(key, str) and isinstance(entry, Tensor | NumpyArray) and _is_numeric(entry)
    }
    left = {key: entry for key, entry in value.items() if key not in tensors}
    return StateDict(tensors=tensors, path=path, dropped=_tell(left))


def _is_named_tensor(key: object, value: object) -> bool:
    return isinstance(key, str) and isinstance(value, Tensor | NumpyArray) and _is_numeric(value)


def _is_numeric(value: TensorValue) -> bool:
    return isinstance(value, Tensor) or value.dtype.find() is not None


def _tell(entries: Mapping[object, object]) -> tuple[str, ...]:
    """Tell of each entry: small values as they are, others by what they are."""
    told = []
    for key, value in islice(entries.items(), MOST_TOLD):
        name = _tell_key(key)
        is_small = isinstance(value, bool | int | float | None) or (
            isinstance(value, str) and len(value) <= LONGEST_TEXT
        )
        told.append(f"{name} = {value}" if is_small else f"{name} ({_describe(value)})")
    if len(entries) > MOST_TOLD:
        told.append(f"{len(entries) - MOST_TOLD} more")
    return tuple(text if text.isprintable() else ascii(text)[1:-1] for text in told)


def _tell_key(key: object) -> str:
    return "an odd key" if isinstance(key, OddKey) else str(key)[:LONGEST_TEXT]


def _describe(value: object) -> str:
    match value:
        case dict():
            return f"a dictionary of {len(value)}"
        case list() | tuple():
            return f"a list of {len(value)}"
        case str() | bytes() | bytearray():
            return f"a text of {len(value)} letters"
        case Tensor() | NumpyArray():
            return "a tensor"
        case Record(name=name):
            return name
    return "a value"
