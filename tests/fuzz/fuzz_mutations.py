"""Ways to damage a file: blindly, and by what its format is made of."""

import copy
import io
import json
import re
import struct
import zipfile

import fuzz_wire

WHOLE = (0, 1, 2, 3, 127, 128, 255, 256, 2**15, 2**16 - 1, 2**16, 2**24, 2**31 - 1, 2**31)
WHOLE += (2**32 - 1, 2**32, 2**53, 2**60, 2**63 - 1, 2**63, 2**64 - 1)
LONGEST = 2**16  # no input grows beyond
NUMBER = re.compile(rb"(?<![\w.])-?\d[\d.e+-]*")
PIECES = (NUMBER, re.compile(rb'"[^"\n]*"'), re.compile(rb"[A-Za-z_]\w*"))


def mutate(rng, seeds, tokens, structural):
    """Take one of the seeds and damage it one to five times; structure first, bytes then."""
    octets = rng.choice(seeds)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if structural and rng.random() < 0.6:
            octets = structural(rng, octets) or octets
        else:
            octets = rng.choice(BLIND)(rng, octets, seeds, tokens)
    return octets[:LONGEST]


def _flip(rng, octets, _seeds, _tokens):
    changed = bytearray(octets or b"\0")
    for _ in range(rng.choice((1, 1, 4, 16))):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng, octets, _seeds, _tokens):
    at = rng.randint(0, len(octets))
    content = rng.randbytes(rng.choice((1, 2, 4, 9)))
    return octets[:at] + content + octets[at + len(content) :]


def _truncate(rng, octets, _seeds, _tokens):
    return octets[: rng.randint(0, len(octets))]


def _insert(rng, octets, _seeds, _tokens):
    at = rng.randint(0, len(octets))
    return octets[:at] + rng.randbytes(rng.randint(1, 12)) + octets[at:]


def _delete(rng, octets, _seeds, _tokens):
    start, end = sorted(rng.randint(0, len(octets)) for _ in range(2))
    return octets[:start] + octets[min(end, start + rng.choice((1, 4, 64, 4096))) :]


def _duplicate(rng, octets, _seeds, _tokens):
    start, end = sorted(rng.randint(0, len(octets)) for _ in range(2))
    part = octets[start : min(end, start + 512)]
    return octets[:start] + part * rng.choice((2, 2, 3, 40)) + octets[start + len(part) :]


def _splice(rng, octets, seeds, _tokens):
    other = rng.choice(seeds)
    return octets[: rng.randint(0, len(octets))] + other[rng.randint(0, len(other)) :]


def _whole_number(rng, octets, _seeds, _tokens):
    value, at = rng.choice(WHOLE), rng.randint(0, len(octets))
    width = rng.choice((1, 2, 4, 8, 0))
    order = rng.choice(("little", "big"))
    content = (value % 256**width).to_bytes(width, order) if width else fuzz_wire.varint(value)
    return octets[:at] + content + octets[at + rng.choice((0, len(content))) :]


def _token(rng, octets, seeds, tokens):
    if not tokens:
        return _insert(rng, octets, seeds, tokens)
    at, token = rng.randint(0, len(octets)), rng.choice(tokens)
    return octets[:at] + token + octets[at + rng.choice((0, len(token))) :]


BLIND = (
    _flip,
    _overwrite,
    _truncate,
    _insert,
    _delete,
    _duplicate,
    _splice,
    _whole_number,
    _token,
)


def change_message(rng, octets):
    """Change one field of a protobuf message; the lengths around it stay right, or one is wrong."""
    nodes = fuzz_wire.parse(octets)
    if not nodes:
        return None
    siblings, node = rng.choice(list(fuzz_wire.every(nodes)))
    how = rng.randrange(4)
    if how == 0:
        siblings.remove(node)
    elif how == 1:
        siblings.extend(copy.deepcopy(node) for _ in range(rng.choice((1, 2, 30))))
    elif how == 2:
        rng.shuffle(siblings)
    else:
        _change_node(rng, node, nodes)
    return fuzz_wire.write(nodes)


def _change_node(rng, node, nodes):
    how = rng.randrange(5)
    if how == 0:
        node.number = rng.choice((*range(1, 16), 20, 50, 100, 143, 999, 2**29 - 1))
    elif how == 1:
        node.wire = rng.choice((0, 1, 2, 3, 4, 5, 6, 7))
    elif how == 2:
        node.value = node.length = rng.choice(WHOLE)
    elif how == 3:
        node.children = []
        node.content = rng.choice((b"", node.content[:-1], node.content * 2, rng.randbytes(8)))
    else:
        _, other = rng.choice(list(fuzz_wire.every(nodes)))
        node.children = [copy.deepcopy(other)]


def change_text(rng, octets):
    """Change a line of a text, or put another number, word or quoted text for one."""
    how = rng.randrange(8)
    if how > 1:
        kind = PIECES[how % len(PIECES)]
        found = list(kind.finditer(octets))
        if found:
            piece, other = rng.choice(found), rng.choice(found)[0]
            if kind is NUMBER and rng.random() < 0.5:
                other = str(rng.choice((*WHOLE, -1, 0.5, "1e40", "nan", "inf", "0x10"))).encode()
            return octets[: piece.start()] + other + octets[piece.end() :]
    lines = octets.split(b"\n")
    at, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    if how == 0:
        lines.insert(other, lines[at])
    elif how == 1:
        del lines[at]
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"\n".join(lines)


def change_json(rng, octets):
    """Change one value of a JSON text for one of another kind or size."""
    try:
        value = json.loads(octets)
    except ValueError:
        return change_text(rng, octets)
    return json.dumps(_changed(rng, value)).encode()


def _changed(rng, value):
    if isinstance(value, dict) and value and rng.random() < 0.9:
        return _changed_object(rng, value)
    if isinstance(value, list) and value and rng.random() < 0.8:
        return _changed_list(rng, value)
    others = (None, True, -1, 0.5, 1e400, "", "é" * 9, [], {}, [[[]]], {"a": {"b": 1}}, "F32")
    return rng.choice((*WHOLE, *others))


def _changed_object(rng, value):
    key = rng.choice(list(value))
    how = rng.random()
    if how < 0.1:
        return {other: each for other, each in value.items() if other != key}
    if how < 0.2:
        return {**value, rng.choice(("a", "", "__metadata__", key * 2)): value[key]}
    return {**value, key: _changed(rng, value[key])}


def _changed_list(rng, value):
    at = rng.randrange(len(value))
    how = rng.random()
    if how < 0.2:
        return value[:at] + value[at + 1 :]
    if how < 0.4:
        return value + [value[at]] * rng.choice((1, 30))
    return [*value[:at], _changed(rng, value[at]), *value[at + 1 :]]


def change_safetensors(rng, octets):
    """Change the JSON at the head of safetensors, its length told rightly or wrongly."""
    length = int.from_bytes(octets[:8], "little")
    header, rest = octets[8 : 8 + length], octets[8 + length :]
    if rng.random() < 0.8:
        header = change_json(rng, header)
        length = len(header)
    if rng.random() < 0.3:
        length = rng.choice((*WHOLE, length + 1, max(0, length - 1)))
    return struct.pack("<Q", length % 2**64) + header + rest


def change_zip(rng, octets):
    """Change one member of a zip and pack it anew, with right checksums."""
    try:
        with zipfile.ZipFile(io.BytesIO(octets)) as archive:
            members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    except Exception:  # noqa: BLE001  # Python's own reader fails in a dozen ways.
        return _change_pickle(rng, octets)
    if not members:
        return None
    at = next((i for i, (name, _) in enumerate(members) if name.endswith(".pkl")), 0)
    if rng.random() < 0.3:
        at = rng.randrange(len(members))
    name, content = members[at]
    how = rng.random()
    if how < 0.7:
        members[at] = (name, _change_pickle(rng, content))
    elif how < 0.8:
        members[at] = (rng.choice((name + "x", "../" + name, name.upper(), "data.pkl")), content)
    elif how < 0.9:
        members.append(members[at])
    else:
        del members[at]
    return _pack(members, rng.choice((zipfile.ZIP_STORED,) * 4 + (zipfile.ZIP_DEFLATED,)))


def _pack(members, compression):
    packed = io.BytesIO()
    seen = set()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, content in members:
            # Python warns of two members with one name.
            if name not in seen:
                seen.add(name)
                archive.writestr(zipfile.ZipInfo(name), content, compression)
    return packed.getvalue()


def _change_pickle(rng, octets):
    """Put opcodes of pickle's machine among those of a pickle, or change what they count."""
    if not octets:
        return octets
    at = rng.randrange(len(octets))
    how = rng.randrange(4)
    if how == 0:
        return octets[:at] + rng.choice(OPCODES) + octets[at:]
    if how == 1:
        code = rng.choice(OPCODES)
        return octets[:at] + code + octets[at + len(code) :]
    if how == 2:
        return octets[:at] + rng.choice(OPCODES) * rng.choice((2, 100)) + octets[at:]
    number = struct.pack("<i", rng.choice((-1, 0, 1, 2**30, 2**31 - 1)))
    return octets[:at] + number + octets[at + 4 :]


CODES = b"(.0125FGIJKLMNPQRSTUVXabcdeghijlopqrstu]})" + bytes(range(0x80, 0x99))
OPCODES = (
    *(bytes([code]) for code in CODES),
    b"cos\nsystem\n",
    b"cbuiltins\neval\n",
    b"ctorch\nFloatStorage\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ccollections\nOrderedDict\n",
    b"X\xff\xff\xff\x7f",
    b"h\x00",
    b"r\xff\xff\xff\x7f",
    b"\x8d" + b"\xff" * 8,
    b"M\xff\xff",
)
