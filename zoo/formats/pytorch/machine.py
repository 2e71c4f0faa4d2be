"""A small machine for the language of pickles, which can name things but never look them up.

A pickle is a program for a stack. Here its values are inert (texts, numbers, lists, dictionaries
and those of ``values``), and a function it calls is a row of a table or is refused by its name, so
there is nothing to be run. What a program may cost is bounded: the opcodes, the text, the length of
numbers, and what the functions of the table make. What each opcode does is told in ``opcodes``.
"""

from collections.abc import Callable, Mapping

from zoo.errors import MalformedCheckpoint, UnsafePickle
from zoo.formats.pytorch.values import Named, OddKey

Builder = Callable[["Machine", tuple[object, ...]], object]

MOST_WIDE_TEXT = 2**22  # bytes; letters beyond Latin-1 take four times as much in memory
SMALL_PICKLE = 2**20  # bytes that functions may copy in any case
SMALL = 2**63  # of keys
SHOWN = 80  # letters of a foreign name in a message

# Modules that were called otherwise once.
MODULES = {
    "__builtin__": "builtins",
    "numpy.core.multiarray": "numpy._core.multiarray",
    "numpy.core.numeric": "numpy._core.numeric",
}


class Machine:
    """Reads one pickle out of a range of a file.

    ``allowed`` are the names a pickle may mention, with what makes a value when they are called
    (None: they cannot be called). ``find_storage`` answers a persistent id.
    """

    def __init__(
        self,
        octets: memoryview,
        *,
        name: str,
        allowed: Mapping[str, Builder | None],
        find_storage: Callable[["Machine", object], object],
    ) -> None:
        self.octets = octets
        self.name = name
        self.allowed = allowed
        self.find_storage = find_storage
        self.position = 0
        self.at = 0  # where the opcode stands
        self.end = len(octets)
        self.stack: list[object] = []
        self.below: list[list[object]] = []  # the stacks under each mark
        self.memo: dict[int, object] = {}
        self.names: dict[str, Named] = {}
        self.wide_left = MOST_WIDE_TEXT
        self.left_bytes = SMALL_PICKLE

    def begin(self, start: int, end: int) -> None:
        """Stand before the pickle at ``start``, with nothing on the stack."""
        self.position, self.end = start, end
        self.stack, self.below, self.memo = [], [], {}
        self.left_bytes = max(end - start, SMALL_PICKLE)

    def refuse(self, reason: str) -> MalformedCheckpoint:
        """Make the error that names the file, the byte and the reason."""
        return MalformedCheckpoint(
            f"{self.name} is damaged or no checkpoint of PyTorch's: byte {self.at}: {reason}.",
            file=self.name,
            offset=self.at,
        )

    def refuse_name(self, name: str) -> UnsafePickle:
        """Make the error that names what the pickle asked for."""
        shown = ascii(name[:SHOWN])[1:-1]
        return UnsafePickle(
            f"{self.name} needs {shown} (byte {self.at}), which only running code could make;"
            " the zoo reads tensors and plain values, never whole models.",
            file=self.name,
            offset=self.at,
            needed=shown,
        )

    def spend(self, size_bytes: int) -> None:
        """Count what functions copy and empty containers take: together as much as was read."""
        self.left_bytes -= size_bytes
        if self.left_bytes < 0:
            raise self.refuse("its functions make more than the file holds")

    def take(self, count: int) -> memoryview:
        """Take the next bytes."""
        start = self.position
        if count > self.end - start:
            raise self.refuse("the pickle ends inside an opcode")
        self.position = start + count
        return self.octets[start : self.position]

    def number(self, width: int) -> int:
        """Take an unsigned number."""
        return int.from_bytes(self.take(width), "little")

    def pop(self) -> object:
        """Take the topmost value."""
        if not self.stack:
            raise self.refuse("the stack is empty")
        return self.stack.pop()

    def top(self) -> object:
        """See the topmost value."""
        if not self.stack:
            raise self.refuse("the stack is empty")
        return self.stack[-1]

    def pop_mark(self) -> list[object]:
        """Take all values above the last mark."""
        if not self.below:
            raise self.refuse("there is no mark")
        values, self.stack = self.stack, self.below.pop()
        return values

    def mention(self, module: str, name: str) -> None:
        """Push the name of a function or class, if it may be mentioned."""
        full = f"{MODULES.get(module, module)}.{name}"
        if full not in self.allowed:
            raise self.refuse_name(f"{module}.{name}")
        self.stack.append(self.names.setdefault(full, Named(full)))

    def call(self, function: object, args: object) -> object:
        """Let the table make what a function would."""
        if not isinstance(function, Named) or not isinstance(args, tuple):
            raise self.refuse("what it calls is no function")
        build = self.allowed[function.name]
        if build is None:
            raise self.refuse(f"{function.name} cannot be called")
        return build(self, args)


def safe_key(value: object) -> object:
    """Make a key that is safe to hash: keyed hashes and numbers too small to collide at will."""
    if isinstance(value, str | bytes | bool | float | None) or (
        isinstance(value, int) and -SMALL <= value < SMALL
    ):
        return value
    return OddKey(value)
