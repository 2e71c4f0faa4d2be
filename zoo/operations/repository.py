"""What is loaded to be served: listed, loaded and unloaded by hand, and what was asked of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from zoo.domain.access import Role
from zoo.domain.config import GRAPH
from zoo.domain.revision import Model, split_address
from zoo.errors import ModelNotFound, NotRunnable
from zoo.operations.access import check_role
from zoo.operations.fetch import get_model, get_revision, list_models
from zoo.operations.opening import Zoo
from zoo.operations.predict import find_target
from zoo.operations.serve import hold_served
from zoo.serving.figures import Tally
from zoo.serving.lines import Line, Target
from zoo.serving.service import Service

PAGE = 500  # models looked up at once


class State(StrEnum):
    """Whether a revision answers; the names are Triton's."""

    READY = "READY"
    LOADING = "LOADING"
    UNAVAILABLE = "UNAVAILABLE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A model that can be served, and a revision of it that was asked for."""

    name: str
    revision: str | None = None  # None: nobody has asked for any yet
    state: State | None = None
    reason: str = ""


def list_entries(zoo: Zoo, service: Service) -> list[Entry]:
    """List what can be served: models with a graph, and what names are loaded of them."""
    lines, unloaded = service.lines.read(), sorted(service.unloaded)
    entries = []
    for model in _list_served(zoo):
        own = {name: line for name, line in lines.items() if line.current.model == model.name}
        closed = [
            Entry(name=model.name, revision=revision, state=State.UNAVAILABLE, reason="unloaded")
            for name, revision in unloaded
            if name == model.name
        ]
        entries += [*_entries(service, own), *closed] or [Entry(name=model.name)]
    return entries


def load(zoo: Zoo, service: Service, address: str) -> None:
    """Load what a name points to by now, and have it answer; one that failed is tried again.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph, or one that cannot be loaded.
        Forbidden: the caller may not write what belongs to the model's owner.
    """
    target = _find_own(zoo, address)
    with service.lines.hold_exactly(target), hold_served(zoo, service, address):
        service.unloaded.discard(target.key)


def unload(zoo: Zoo, service: Service, address: str) -> None:
    """Close what is loaded of a name, of a model's every revision; who asks for it loads it again.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph.
        Forbidden: the caller may not write what belongs to the model's owner.
    """
    target = _find_own(zoo, address)
    is_whole = split_address(address)[0] == address
    closed = {target.key: target}
    for name, line in service.lines.read().items():
        if name == address or (is_whole and line.current.model == target.model):
            service.lines.forget(name)
            closed[line.current.key] = line.current
    for one in closed.values():
        service.unloaded.add(one.key)
        service.shelf.put_away(one.digest)


def check_ready(zoo: Zoo, service: Service, address: str) -> None:
    """Check that a request for a name would be answered: it is loaded, or would be.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: it was unloaded by hand, could not be loaded, or has no graph.
    """
    target = find_target(zoo, get_revision(zoo, address))
    line = service.lines.read().get(address)
    if service.shelf.find(target.digest) is not None:
        return
    if target.key in service.unloaded:
        raise NotRunnable(
            f"{target.address} was unloaded.", hint="Load it, or just ask it: that loads it again."
        )
    if line is not None and line.failed == target:
        raise NotRunnable(f"{target.address} could not be loaded: {line.reason}")


def list_tallies(zoo: Zoo, service: Service) -> Mapping[tuple[str, str], Tally]:
    """Give what was asked of each revision, by model and revision, of models the caller may see."""
    found = service.figures.read()
    seen = {name for name in {model for model, _ in found} if _may_see(zoo, name)}
    return {key: tally for key, tally in found.items() if key[0] in seen}


def get_tallies(zoo: Zoo, service: Service, address: str) -> Mapping[tuple[str, str], Tally]:
    """Give what was asked of a model's revisions, or of the one that an address points to.

    Raises:
        ModelNotFound, RevisionNotFound: there is no such model.
        NotRunnable: the revision has no graph.
    """
    target = find_target(zoo, get_revision(zoo, address))
    found = {key: tally for key, tally in service.figures.read().items() if key[0] == target.model}
    if split_address(address)[0] != address:
        found = {key: tally for key, tally in found.items() if key == target.key}
    return found or {target.key: Tally()}


def _find_own(zoo: Zoo, address: str) -> Target:
    """Find the revision of an address that the caller may load and unload.

    Raises:
        Forbidden: they may not.
    """
    target = find_target(zoo, get_revision(zoo, address))
    check_role(zoo, Role.WRITE, target.model)
    return target


def _list_served(zoo: Zoo) -> Iterator[Model]:
    """List the models whose newest revision has a graph."""
    after = ""
    while page := list_models(zoo, after=after, limit=PAGE):
        for model in page:
            if model.head is not None and model.head.find_file(GRAPH) is not None:
                yield model
        after = page[-1].name


def _entries(service: Service, lines: Mapping[str, Line]) -> list[Entry]:
    """Tell what is loaded of one model, each name and revision once."""
    found: dict[tuple[str, str], Entry] = {}
    for address, line in lines.items():
        name, revision = address.partition("@")[0], line.current.revision
        state = State.UNAVAILABLE
        if service.shelf.find(line.current.digest) is not None:
            state = State.READY
        elif service.shelf.is_loading(line.current.digest):
            state = State.LOADING
        found[name, revision] = Entry(
            name=name, revision=revision, state=state, reason=_reason(line, state)
        )
    return list(found.values())


def _reason(line: Line, state: State) -> str:
    if line.failed is not None:
        return f"{line.failed.address} could not be loaded: {line.reason}"
    return "closed for the room of others" if state is State.UNAVAILABLE else ""


def _may_see(zoo: Zoo, name: str) -> bool:
    try:
        get_model(zoo, name)
    except ModelNotFound:
        return False
    return True
