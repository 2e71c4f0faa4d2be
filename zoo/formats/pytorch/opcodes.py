"""What each opcode of a pickle does to the machine, and running one.

Opcodes are those of protocols 2 to 5. Source: the comments of Python's pickletools.
"""

import struct
from collections.abc import Callable
from typing import Never

import numpy as np

from zoo.formats.pytorch.machine import Machine, safe_key
from zoo.formats.pytorch.values import Named, NumpyArray, NumpyType, Record, Tensor

PROTOCOLS = range(2, 6)
MOST_OPCODES = 2**19  # a thousand tensors with the state of their optimizer take a fifth
CONTAINER = 64  # bytes that an empty list or dictionary takes; a pickle of one byte makes it
MOST_MARKS = 2**12  # open at once; those of torch.save nest five deep
LONGEST_NAME = 512  # bytes of a module or a class
LONGEST_NUMBER = 64  # bytes; states of random generators have 17
SHORT_TEXT = 64  # bytes; its letters matter less than the object around them
LAST_LATIN_1 = 0xC3  # the highest byte that Latin-1 has in UTF-8


def run(machine: Machine, *, start: int = 0, end: int | None = None) -> object:
    """Read the pickle at ``start``; afterwards ``machine.position`` is the first byte behind it.

    Raises:
        MalformedCheckpoint: it is no pickle, or costs more than any checkpoint does.
        UnsafePickle: it names what is not allowed.
    """
    machine.begin(start, len(machine.octets) if end is None else end)
    for _ in range(MOST_OPCODES):
        machine.at = machine.position
        if machine.at >= machine.end:
            raise machine.refuse("the pickle ends without its last opcode")
        opcode = machine.octets[machine.at]
        machine.position += 1
        if opcode == STOP:
            return machine.pop()
        step = STEPS.get(opcode)
        if step is None:
            raise machine.refuse(f"opcode 0x{opcode:02x} is not one of a checkpoint")
        step(machine)
    raise machine.refuse(f"more than {MOST_OPCODES} opcodes")


def _protocol(machine: Machine) -> None:
    protocol = machine.number(1)
    if protocol not in PROTOCOLS:
        raise machine.refuse(f"pickles of protocol {protocol} are not read")


def _frame(machine: Machine) -> None:
    if machine.number(8) > machine.end - machine.position:
        raise machine.refuse("a frame is longer than the pickle")


def _mark(machine: Machine) -> None:
    if len(machine.below) == MOST_MARKS:
        raise machine.refuse(f"more than {MOST_MARKS} marks are open")
    machine.below.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: Machine) -> None:
    machine.pop_mark()


def _duplicate(machine: Machine) -> None:
    machine.stack.append(machine.top())


def _constant(value: object) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        machine.stack.append(value)

    return push


def _new(kind: type[object]) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        machine.spend(CONTAINER)
        machine.stack.append(kind())

    return push


def _unpacked(layout: str) -> Callable[[Machine], None]:
    form = struct.Struct(layout)

    def push(machine: Machine) -> None:
        machine.stack.append(form.unpack(machine.take(form.size))[0])

    return push


def _long(width: int) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        length = machine.number(width)
        if length > LONGEST_NUMBER:
            raise machine.refuse(f"a number of {length} bytes")
        machine.stack.append(int.from_bytes(machine.take(length), "little", signed=True))

    return push


def _int_in_text(machine: Machine) -> None:
    """Python 2 wrote numbers beyond 32 bits as text."""
    line = _line(machine)
    if not line.removeprefix("-").isdecimal() or len(line) > LONGEST_NUMBER:
        raise machine.refuse("a number is no number")
    machine.stack.append({"00": False, "01": True}.get(line, int(line)))


def _text(width: int) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        machine.stack.append(_decode(machine, machine.take(machine.number(width)), "surrogatepass"))

    return push


def _old_text(width: int) -> Callable[[Machine], None]:
    """Python 2's strings are texts or bytes; this way either can be had from the other."""

    def push(machine: Machine) -> None:
        octets = machine.take(machine.number(width))
        machine.stack.append(_decode(machine, octets, "surrogateescape"))

    return push


def _decode(machine: Machine, octets: memoryview, errors: str) -> str:
    if len(octets) > SHORT_TEXT and np.frombuffer(octets, np.uint8).max() > LAST_LATIN_1:
        machine.wide_left -= len(octets)
        if machine.wide_left < 0:
            raise machine.refuse("more text than a checkpoint has")
    try:
        return str(octets, "utf-8", errors)
    except UnicodeDecodeError as error:
        raise machine.refuse("a text is not Unicode") from error


def _octets(width: int, kind: type[bytes | bytearray] = bytes) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        machine.stack.append(kind(machine.take(machine.number(width))))

    return push


def _tuple(count: int) -> Callable[[Machine], None]:
    def push(machine: Machine) -> None:
        if len(machine.stack) < count:
            raise machine.refuse("the stack is empty")
        machine.stack[-count:] = [tuple(machine.stack[-count:])]

    return push


def _tuple_of_mark(machine: Machine) -> None:
    values = machine.pop_mark()
    machine.stack.append(tuple(values))


def _append(machine: Machine) -> None:
    _extend(machine, [machine.pop()])


def _appends(machine: Machine) -> None:
    _extend(machine, machine.pop_mark())


def _extend(machine: Machine, values: list[object]) -> None:
    target = machine.top()
    if not isinstance(target, list):
        raise machine.refuse("it adds to what is no list")
    target.extend(values)


def _set_item(machine: Machine) -> None:
    value = machine.pop()
    _update(machine, [machine.pop(), value])


def _set_items(machine: Machine) -> None:
    _update(machine, machine.pop_mark())


def _update(machine: Machine, values: list[object]) -> None:
    target = machine.top()
    if not isinstance(target, dict) or len(values) % 2:
        raise machine.refuse("it sets entries of what is no dictionary")
    for index in range(0, len(values), 2):
        target[safe_key(values[index])] = values[index + 1]


def _put(width: int) -> Callable[[Machine], None]:
    def put(machine: Machine) -> None:
        machine.memo[machine.number(width)] = machine.top()

    return put


def _memoize(machine: Machine) -> None:
    machine.memo[len(machine.memo)] = machine.top()


def _get(width: int) -> Callable[[Machine], None]:
    def get(machine: Machine) -> None:
        number = machine.number(width)
        if number not in machine.memo:
            raise machine.refuse(f"it recalls value {number}, which it never noted")
        machine.stack.append(machine.memo[number])

    return get


def _global(machine: Machine) -> None:
    module = _line(machine)
    machine.mention(module, _line(machine))


def _line(machine: Machine) -> str:
    """Take a short line of text."""
    rest = bytes(machine.octets[machine.position : machine.end][: LONGEST_NAME + 1])
    line, newline, _ = rest.partition(b"\n")
    if not newline:
        raise machine.refuse("a name does not end")
    machine.position += len(line) + 1
    return line.decode("utf-8", "replace")


def _stack_global(machine: Machine) -> None:
    name, module = machine.pop(), machine.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise machine.refuse("a name is no text")
    if len(name) + len(module) > LONGEST_NAME:
        raise machine.refuse("a name is too long")
    machine.mention(module, name)


def _instance(machine: Machine) -> None:
    """Name and call at once, as protocol 0 did: never needed for a checkpoint."""
    module = _line(machine)
    raise machine.refuse_name(f"{module}.{_line(machine)}")


def _object(machine: Machine) -> None:
    values = machine.pop_mark()
    kind = values[0] if values else None
    raise machine.refuse_name(kind.name if isinstance(kind, Named) else "an object without a class")


def _extension(width: int) -> Callable[[Machine], None]:
    def refuse(machine: Machine) -> None:
        raise machine.refuse_name(f"the registered extension {machine.number(width)}")

    return refuse


def _reduce(machine: Machine) -> None:
    args = machine.pop()
    machine.stack.append(machine.call(machine.pop(), args))


def _new_object(machine: Machine) -> None:
    args, kind = machine.pop(), machine.pop()
    _push_object(machine, kind, args)


def _new_object_with_keywords(machine: Machine) -> None:
    keywords, args, kind = machine.pop(), machine.pop(), machine.pop()
    if keywords:
        raise machine.refuse("it makes an object with keywords")
    _push_object(machine, kind, args)


def _push_object(machine: Machine, kind: object, args: object) -> None:
    if args != ():
        raise machine.refuse("it makes an object of something")
    machine.stack.append(machine.call(kind, args))


def _build(machine: Machine) -> None:
    """Give a value its state; what a state has no use for is left out."""
    state = machine.pop()
    match machine.top(), state:
        case Record() as record, _:
            record.state = state
        case NumpyType() as dtype, (_, str(order), *_):
            dtype.order = order
        case NumpyArray() as array, (_, tuple(shape), NumpyType() as dtype, is_fortran, content):
            array.shape, array.dtype = shape, dtype
            array.content, array.is_fortran = content, is_fortran is True
        case dict() | Tensor(), _:
            pass  # attributes, such as the versions of layers
        case _:
            raise machine.refuse("it gives a state to what has none")


def _persistent(machine: Machine) -> None:
    machine.stack.append(machine.find_storage(machine, machine.pop()))


def _refuse_buffer(machine: Machine) -> Never:
    raise machine.refuse("it needs buffers that are kept outside the file")


STOP = 0x2E
STEPS: dict[int, Callable[[Machine], None]] = {
    ord("("): _mark,
    ord("0"): _pop,
    ord("1"): _pop_mark,
    ord("2"): _duplicate,
    ord("N"): _constant(None),
    ord("I"): _int_in_text,
    ord("J"): _unpacked("<i"),
    ord("K"): _unpacked("<B"),
    ord("M"): _unpacked("<H"),
    ord("G"): _unpacked(">d"),
    ord("T"): _old_text(4),
    ord("U"): _old_text(1),
    ord("X"): _text(4),
    ord("B"): _octets(4),
    ord("C"): _octets(1),
    ord("]"): _new(list),
    ord("}"): _new(dict),
    ord(")"): _constant(()),
    ord("t"): _tuple_of_mark,
    ord("a"): _append,
    ord("e"): _appends,
    ord("s"): _set_item,
    ord("u"): _set_items,
    ord("q"): _put(1),
    ord("r"): _put(4),
    ord("h"): _get(1),
    ord("j"): _get(4),
    ord("c"): _global,
    ord("i"): _instance,
    ord("o"): _object,
    ord("R"): _reduce,
    ord("b"): _build,
    ord("Q"): _persistent,
    0x80: _protocol,
    0x81: _new_object,
    0x82: _extension(1),
    0x83: _extension(2),
    0x84: _extension(4),
    0x85: _tuple(1),
    0x86: _tuple(2),
    0x87: _tuple(3),
    0x88: _constant(True),
    0x89: _constant(False),
    0x8A: _long(1),
    0x8B: _long(4),
    0x8C: _text(1),
    0x8D: _text(8),
    0x8E: _octets(8),
    0x8F: _new(list),  # a set: nothing here asks for one, and a list need not hash
    0x90: _appends,
    0x91: _tuple_of_mark,  # a frozen set, likewise
    0x92: _new_object_with_keywords,
    0x93: _stack_global,
    0x94: _memoize,
    0x95: _frame,
    0x96: _octets(8, bytearray),
    0x97: _refuse_buffer,
    0x98: _refuse_buffer,
}
