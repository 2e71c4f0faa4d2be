"""Protobuf's wire format, and it as a tree: written by hand so that it can be written wrongly."""

import struct
from dataclasses import dataclass, field

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def varint(value):
    octets = bytearray()
    value %= 2**64
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def put(number, content):
    """Write a field: a varint for a number, a length-delimited one for bytes and text."""
    if isinstance(content, int):
        return varint(number << 3) + varint(content)
    content = content.encode() if isinstance(content, str) else content
    return varint(number << 3 | BYTES) + varint(len(content)) + content


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


@dataclass
class Node:
    """A field that can be changed: its children are its content where that parses as a message."""

    number: int
    wire: int
    content: bytes = b""
    value: int = 0
    children: list["Node"] = field(default_factory=list)
    length: int | None = None  # a false one

    def write(self):
        tag = varint(self.number << 3 | self.wire)
        if self.wire == VARINT:
            return tag + varint(self.value)
        content = write(self.children) if self.children else self.content
        if self.wire != BYTES:
            return tag + content
        return tag + varint(len(content) if self.length is None else self.length) + content


def write(nodes):
    return b"".join(node.write() for node in nodes)


def parse(octets, depth=6):
    """Read bytes as fields, or give None where they are none."""
    nodes, position = [], 0
    while position < len(octets):
        tag, position = _varint(octets, position)
        if tag is None or tag < 8:
            return None
        node = Node(tag >> 3, tag & 7)
        if node.wire == VARINT:
            value, position = _varint(octets, position)
            if value is None:
                return None
            node.value = value
        else:
            length = {FIXED64: 8, FIXED32: 4}.get(node.wire)
            if node.wire == BYTES:
                length, position = _varint(octets, position)
            if length is None or position + length > len(octets):
                return None
            node.content = octets[position : position + length]
            position += length
            if node.wire == BYTES and depth and len(node.content) > 1:
                node.children = parse(node.content, depth - 1) or []
        nodes.append(node)
    return nodes


def every(nodes):
    """Go through all nodes with the list each is in."""
    for node in nodes:
        yield nodes, node
        yield from every(node.children)


def _varint(octets, position):
    value = 0
    for index in range(10):
        if position + index >= len(octets):
            return None, position
        octet = octets[position + index]
        value |= (octet & 0x7F) << (7 * index)
        if octet < 0x80:
            return value, position + index + 1
    return None, position
