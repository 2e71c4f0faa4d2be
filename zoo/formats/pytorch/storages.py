"""Where the numbers of a checkpoint lie: members of an archive, or one after the other at its end.

The second form was PyTorch's until version 1.6: five pickles, the last of them a list of keys,
then for each key the number of elements (8 bytes, little-endian) and the elements themselves.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from zoo.errors import MalformedCheckpoint, UnknownFormat
from zoo.formats.elements import Element, swapped
from zoo.formats.mapped import LARGEST
from zoo.formats.pytorch.allowed import ALLOWED, QUANTIZED, STORAGE_ELEMENTS, refuse_kind
from zoo.formats.pytorch.archive import Member, read_archive
from zoo.formats.pytorch.machine import Machine
from zoo.formats.pytorch.opcodes import run
from zoo.formats.pytorch.values import Named, Storage

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
COUNT_BYTES = 8
PICKLE = "/data.pkl"
SCRIPT = ("/constants.pkl", "/bytecode.pkl", "/code/")
WORDS_OF_ORDER = 16  # bytes; "little" or "big"


@dataclass(frozen=True, slots=True)
class _Identity:
    """What a pickle says of a storage; sizes are counts of elements."""

    key: str
    element: Element | None
    count: int
    view: object = None

    @property
    def itemsize(self) -> int:
        return self.element.size_bytes if self.element else 1


def read_zipped(octets: memoryview, *, name: str) -> object:
    """Read the value of an archive; its tensors are places in the file.

    Raises:
        MalformedCheckpoint: the archive or its pickle is damaged.
        UnknownFormat: it is another kind of archive.
        UnsafePickle: the pickle names what is not allowed.
    """
    archive = _Zipped(octets, name)
    pickle = archive.member(PICKLE)
    machine = Machine(octets, name=name, allowed=ALLOWED, find_storage=archive.find_storage)
    return run(machine, start=pickle.start, end=pickle.end)


def read_legacy(octets: memoryview, *, name: str) -> object:
    """Read the value of a file from before version 1.6; its tensors are places in the file.

    Raises:
        MalformedCheckpoint: the file is damaged.
        UnsafePickle: the pickle names what is not allowed.
    """
    storages = _Following()
    machine = Machine(octets, name=name, allowed=ALLOWED, find_storage=storages.find_storage)
    if run(machine) != MAGIC:
        raise machine.refuse("the file does not begin with PyTorch's number")
    if run(machine, start=machine.position) != PROTOCOL:
        raise machine.refuse("the file is of an unknown version")
    system = run(machine, start=machine.position)
    if not isinstance(system, dict) or system.get("little_endian", True) is not True:
        raise machine.refuse("the file was written on a big-endian machine")
    value = run(machine, start=machine.position)
    storages.settle(machine, run(machine, start=machine.position))
    return value


class _Zipped:
    def __init__(self, octets: memoryview, name: str) -> None:
        self.name = name
        self.members = read_archive(octets, name=name)
        self.root = _find_root(self.members, name)
        order = self.members.get(f"{self.root}/byteorder")
        text = bytes(octets[order.start : order.end][:WORDS_OF_ORDER]) if order else b"little"
        if text not in {b"little", b"big"}:
            raise MalformedCheckpoint(f"{name} has bytes in an unknown order.", file=name)
        self.is_swapped = text == b"big"
        self.storages: dict[tuple[str, str], Storage] = {}

    def find_storage(self, machine: Machine, identity: object) -> Storage:
        """Find the member that a persistent id means; its size is what the pickle says it is."""
        told = _read_identity(machine, identity)
        element = swapped(told.element) if told.element and self.is_swapped else told.element
        place = (told.key, element.name if element else "")
        if place not in self.storages:
            member = self.member(f"/data/{told.key}")
            size_bytes = member.end - member.start
            if size_bytes != told.count * told.itemsize:
                raise machine.refuse(
                    f"storage {told.key[:80]!r} has {size_bytes} bytes,"
                    f" not the {told.count} numbers that are told"
                )
            self.storages[place] = Storage(told.key, size_bytes, element, start=member.start)
        return self.storages[place]

    def member(self, path: str) -> Member:
        member = self.members.get(self.root + path)
        if member is None or not member.is_plain:
            reason = "lacks" if member is None else "has compressed what lies plain:"
            raise MalformedCheckpoint(
                f"{self.name} {reason} its member {path[1:81]!r}.",
                hint="Save it again with torch.save, or fetch it again; do not pack it anew.",
                file=self.name,
            )
        return member


def _find_root(members: Mapping[str, Member], name: str) -> str:
    """Find the one folder in which everything lies.

    Raises:
        UnknownFormat: this is no checkpoint, or one with a program in it.
    """
    roots = [path.removesuffix(PICKLE) for path in members if path.endswith(PICKLE)]
    roots = [root for root in roots if "/" not in root]
    if len(roots) != 1:
        raise UnknownFormat(
            f"{name} is a zip, but not one of PyTorch's: it has {len(roots)} members data.pkl.",
            hint="Give a file written by torch.save(model.state_dict(), ...).",
            file=name,
        )
    if any(path.startswith(tuple(roots[0] + each for each in SCRIPT)) for path in members):
        raise UnknownFormat(
            f"{name} is a TorchScript program, not a checkpoint; it is never run.",
            hint="Load it where you trust it, save its state_dict(), and import that.",
            file=name,
        )
    return roots[0]


class _Following:
    """Storages that follow their pickle: their places are known when all has been read."""

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}

    def find_storage(self, machine: Machine, identity: object) -> Storage:
        """Note a storage, or find the one that was noted."""
        told = _read_identity(machine, identity)
        size_bytes = told.count * told.itemsize
        storage = self.storages.setdefault(told.key, Storage(told.key, size_bytes, told.element))
        if storage.size_bytes != size_bytes or storage.element is not told.element:
            raise machine.refuse(f"storage {told.key[:80]!r} is told in two ways")
        match told.view:
            case None:
                return storage
            case (str(key), int(offset), int(count)) if (
                0 <= offset <= told.count and 0 <= count <= told.count - offset
            ):
                offset *= told.itemsize
                count *= told.itemsize
                return Storage(key, count, told.element, base=storage, offset=offset)
        raise machine.refuse(f"a view of storage {told.key[:80]!r} goes beyond it")

    def settle(self, machine: Machine, keys: object) -> None:
        """Walk the storages behind the pickles; each has as many numbers as was told."""
        if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
            raise machine.refuse("the list of storages is none")
        if len(keys) != len(self.storages) or set(keys) != self.storages.keys():
            raise machine.refuse("the list of storages is not that of the tensors")
        for key in keys:
            machine.at = machine.position
            storage = self.storages[key]
            itemsize = storage.element.size_bytes if storage.element else 1
            if machine.number(COUNT_BYTES) * itemsize != storage.size_bytes:
                raise machine.refuse(f"storage {key[:80]!r} has not the size that was told")
            storage.start = machine.position
            machine.take(storage.size_bytes)


def _read_identity(machine: Machine, identity: object) -> _Identity:
    """Read a persistent id: ("storage", class, key, device, count), then perhaps a view."""
    match identity:
        case ("storage", Named(name=kind), str(key), _, int(count), *view) if (
            kind in STORAGE_ELEMENTS and 0 <= count <= LARGEST
        ):
            return _Identity(key, STORAGE_ELEMENTS[kind], count, view[0] if view else None)
        case ("storage", Named(name=kind), *_) if kind in QUANTIZED:
            raise refuse_kind(machine, "a quantized tensor")
        case ("storage", Named(name=kind), *_) if kind not in STORAGE_ELEMENTS:
            raise machine.refuse_name(kind)
        case ("module", Named(name=kind), *_):
            raise machine.refuse_name(kind)
    raise machine.refuse("what it needs from outside is no storage")
