import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.errors import MalformedCheckpoint
from zoo.formats.wire import BYTES, Message


def message(octets):
    return Message(memoryview(octets), name="net.caffemodel")


def only(octets):
    (field,) = message(octets).fields()
    return field


@given(st.integers(min_value=-(2**63), max_value=2**63 - 1))
def test_a_varint_is_read_as_signed_64_bit(proto, value):
    field = only(proto.field(3, value))
    assert list(message(proto.field(3, value)).varints(field)) == [value]


@given(st.lists(st.integers(min_value=0, max_value=2**40), max_size=20))
def test_packed_varints_are_read_in_order(proto, values):
    octets = proto.field(1, b"".join(map(proto.varint, values)))
    assert list(message(octets).varints(only(octets))) == values


def test_fields_come_in_file_order_with_their_offsets(proto):
    octets = proto.field(1, "ab") + proto.field(2, 7)
    fields = list(message(octets).fields())
    assert [(each.number, each.offset) for each in fields] == [(1, 0), (2, 4)]
    assert message(octets).text(fields[0]) == "ab"


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=70))
def test_floats_with_a_tag_each_are_one_field_and_a_view(values):
    octets = b"".join(b"\x2d" + struct.pack("<f", value) for value in values)
    found = message(octets).numbers(only(octets), "<f4")
    assert found.tolist() == values
    assert not found.flags.owndata


def test_a_run_of_floats_ends_where_another_field_begins(proto):
    octets = (b"\x2d" + proto.floats(1)) * 5 + proto.field(9, 1) + b"\x2d" + proto.floats(2)
    fields = list(message(octets).fields())
    assert [each.number for each in fields] == [5, 9, 5]
    assert message(octets).numbers(fields[0], "<f4").tolist() == [1] * 5


def test_doubles_with_a_tag_each_are_read(proto):
    octets = (b"\x41" + proto.doubles(0.5)) * 3
    assert message(octets).numbers(only(octets), "<f8").tolist() == [0.5] * 3


def test_packed_floats_are_a_view(proto):
    octets = proto.field(5, proto.floats(1, 2, 3))
    found = message(octets).numbers(only(octets), "<f4")
    assert np.array_equal(found, [1, 2, 3])
    assert not found.flags.owndata


@pytest.mark.parametrize(
    ("octets", "offset", "reason"),
    [
        (b"\x80", 0, "ends inside a number"),
        (b"\x08" + b"\x80" * 10 + b"\x01", 1, "more than 10 bytes"),
        (b"\x08" + b"\xff" * 9 + b"\x7f", 1, "more than 64 bits"),
        (b"\x08\x01\x00\x01", 2, "0 is not a field's number"),
        (b"\x0b", 0, "wire type 3"),
        (b"\x0a\x05ab", 0, "beyond the end"),
        (b"\x0d\x00", 0, "beyond the end"),
        (b"\xf8\xff\xff\xff\xff\xff\x01\x01", 0, "is not a field's number"),
    ],
)
def test_bytes_that_are_no_message_are_refused_with_their_place(octets, offset, reason):
    with pytest.raises(MalformedCheckpoint, match=reason) as caught:
        list(message(octets).fields())
    assert caught.value.detail == {"file": "net.caffemodel", "offset": offset}
    assert f"byte {offset}" in str(caught.value)


def test_numbers_that_are_cut_are_refused(proto):
    octets = proto.field(5, b"\0" * 6)
    with pytest.raises(MalformedCheckpoint, match="2 bytes are left over"):
        message(octets).numbers(only(octets), "<f4")


def test_a_field_of_another_wire_type_is_refused(proto):
    octets = proto.field(5, 1)
    with pytest.raises(MalformedCheckpoint, match="wire type 0, not 2"):
        message(octets).child(only(octets))


def test_a_run_that_begins_another_field_after_many_steps_ends_there(proto):
    octets = (b"\x2d" + proto.floats(1)) * 1000 + b"\x35" + proto.floats(2)
    fields = list(message(octets).fields())
    assert [(each.number, each.start) for each in fields] == [(5, 1), (6, 5001)]
    assert message(octets).numbers(fields[0], "<f4").size == 1000


def test_a_run_that_fills_its_message_ends_with_it(proto):
    octets = proto.field(1, (b"\x2d" + proto.floats(1)) * 300) + b"\x2d" + proto.floats(2)
    outer = message(octets)
    inner = outer.child(next(iter(outer.fields())))
    assert [inner.numbers(each, "<f4").size for each in inner.fields()] == [300]


def test_all_messages_of_a_file_share_one_allowance_of_fields(proto):
    octets = proto.field(1, b"\x08\x01\x10\x01") * 3
    walked = Message(memoryview(octets), name="net.caffemodel", most_fields=8)
    seen = []

    def walk(message):
        for field in message.fields():
            seen.append(field.offset)
            if field.wire == BYTES:
                walk(message.child(field))

    with pytest.raises(MalformedCheckpoint, match="more than 8 fields in one file") as caught:
        walk(walked)
    assert seen == [0, 2, 4, 6, 8, 10, 12, 14]
    assert caught.value.detail["offset"] == 16


def test_runs_take_more_of_the_allowance_than_single_fields(proto):
    octets = (b"\x2d" + proto.floats(1)) * 6 + b"\x08\x01"
    with pytest.raises(MalformedCheckpoint, match="more than 8 fields"):
        list(Message(memoryview(octets), name="net.caffemodel", most_fields=8).fields())
    assert len(list(message(octets).fields())) == 2
