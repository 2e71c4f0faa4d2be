"""Requests for inference: what they ask, and how wrong ones are told."""

import json

import numpy as np
import orjson
import pytest

from zoo.errors import BadRequest, TooLarge, Unsupported
from zoo.operations.serve import Takes
from zoo.web.inference.requested import MOST_JSON_BYTES, MOST_MARKS, read_requested

X = {"name": "x", "shape": [2], "datatype": "FP32", "data": [1, 2]}
BINARY = {"name": "b", "shape": [3], "datatype": "UINT8", "parameters": {"binary_data_size": 3}}


def read(tail=None, **data):
    text = json.dumps(data).encode()
    given = data.get("inputs")
    names = [one.get("name") for one in given if isinstance(one, dict)] if given else []
    body = memoryview(text + (tail or b""))
    return read_requested(body, None if tail is None else len(text), takes(*names))


def takes(*names):
    """What a graph takes that takes just these, and a hundred texts."""
    return Takes(names=names, most=100, unit="elements")


def test_inputs_outputs_and_parameters_are_read():
    parameters = {"timeout": 1_500_000, "priority": 2, "mine": "anything", "sequence_id": 7}
    outputs = [
        {"name": "p", "parameters": {"binary_data": True}},
        {"name": "q", "parameters": {"classification": 3}},
    ]
    found, inputs = read(b"abc", id="7", inputs=[X, BINARY], outputs=outputs, parameters=parameters)
    assert inputs["x"].tolist() == [1.0, 2.0]
    assert inputs["b"].tobytes() == b"abc"
    assert found.texts == {"x"}
    told = [(one.name, one.is_binary, one.classes) for one in found.outputs]
    assert told == [("p", True, 0), ("q", False, 3)]
    assert (found.id, found.timeout_s, found.priority) == ("7", 1.5, 2)


def test_nothing_but_inputs_need_be_given():
    found, _ = read(inputs=[X])
    assert (found.outputs, found.is_binary, found.id) == ((), False, None)
    assert (found.timeout_s, found.priority) == (None, 0)


def test_binary_tensors_follow_each_other_in_the_order_of_the_inputs():
    second = BINARY | {"name": "c", "shape": [2], "parameters": {"binary_data_size": 2}}
    _, inputs = read(b"abcde", inputs=[BINARY, X, second])
    assert [inputs[name].tobytes() for name in "bc"] == [b"abc", b"de"]


def test_binary_tensors_lie_where_they_came():
    body = memoryview(json.dumps({"inputs": [BINARY]}).encode() + b"abc")
    _, inputs = read_requested(body, len(body) - 3, takes("b"))
    assert np.shares_memory(inputs["b"], np.frombuffer(body, np.uint8))


@pytest.mark.parametrize(
    ("is_told", "outputs", "expected"),
    [
        (True, {"name": "p"}, True),
        (True, {"name": "p", "parameters": {"binary_data": False}}, False),
        (False, {"name": "p", "parameters": {"binary_data": True}}, True),
        (False, {"name": "p"}, False),
    ],
)
def test_an_output_is_binary_where_it_or_else_the_request_says_so(is_told, outputs, expected):
    found, _ = read(inputs=[X], outputs=[outputs], parameters={"binary_data_output": is_told})
    assert found.outputs[0].is_binary is expected
    assert found.is_binary is is_told


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({}, "no inputs"),
        ({"inputs": []}, "no inputs"),
        ({"inputs": {}}, "`inputs` is missing or no list"),
        ({"inputs": [1]}, "`inputs` is no list"),
        ({"inputs": [X] * 300}, "`inputs` is no list"),
        ({"inputs": [X, X]}, "'x' comes twice"),
        ({"inputs": [X | {"name": 7}]}, "`name`"),
        ({"inputs": [X | {"shape": "2"}]}, "`shape`"),
        ({"inputs": [X | {"shape": [-1]}]}, "shape of 'x'"),
        ({"inputs": [X | {"shape": [True, 2]}]}, "shape of 'x'"),
        ({"inputs": [X | {"shape": [2.0]}]}, "shape of 'x'"),
        ({"inputs": [X | {"shape": [2**40, 2**40]}]}, "shape of 'x'"),
        ({"inputs": [X | {"shape": [1] * 40}]}, "shape of 'x'"),
        ({"inputs": [X | {"shape": [0, 2**62]}]}, "shape of 'x'"),
        ({"inputs": [X | {"shape": [2**62, 0, 2**62]}]}, "shape of 'x'"),
        ({"inputs": [BINARY | {"shape": [2**40, 0, 2]}]}, "shape of 'b'"),
        ({"inputs": [X | {"shape": [0, 2**62], "datatype": "BYTES"}]}, "shape of 'x'"),
        ({"inputs": [X | {"datatype": "BF16"}]}, "datatype 'BF16' of 'x'"),
        ({"inputs": [X | {"datatype": ["FP32"]}]}, "datatype"),
        ({"inputs": [{k: v for k, v in X.items() if k != "data"}]}, "data or binary_data_size"),
        ({"inputs": [X | {"parameters": {"binary_data_size": 8}}]}, "data or binary_data_size"),
        ({"inputs": [X | {"parameters": [1]}]}, "parameters of x"),
        ({"inputs": [X], "parameters": 7}, "parameters of the request"),
        ({"inputs": [X], "id": 7}, "`id`"),
        ({"inputs": [X], "parameters": {"timeout": "1"}}, "`timeout`"),
        ({"inputs": [X], "parameters": {"timeout": -1}}, "'timeout' is -1"),
        ({"inputs": [X], "parameters": {"priority": True}}, "`priority`"),
        ({"inputs": [X], "parameters": {"binary_data_output": 1}}, "`binary_data_output`"),
        ({"inputs": [X], "outputs": [{"name": "p"}, {"name": "p"}]}, "'p' is asked for twice"),
        ({"inputs": [X], "outputs": [{"parameters": {}}]}, "`name`"),
        ({"inputs": [X], "outputs": [{"name": "p", "parameters": {"classification": -1}}]}, "-1"),
    ],
    ids=str,
)
def test_what_does_not_follow_the_protocol_is_named(data, reason):
    with pytest.raises(BadRequest, match=reason):
        read(**data)


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"7", b"\xff", b'{"inputs": [NaN]}', b"[" * 100_000], ids=str
)
def test_what_is_no_json_object_is_refused(body):
    with pytest.raises(BadRequest, match="JSON of the request"):
        read_requested(memoryview(body), None, takes())


@pytest.mark.parametrize(
    ("size_bytes", "tail"), [(3, b""), (3, b"ab"), (-1, b"abc"), (2**62, b"abc"), (2, b"abc")]
)
def test_lengths_that_lie_are_refused(size_bytes, tail):
    given = BINARY | {"shape": [2], "parameters": {"binary_data_size": size_bytes}}
    with pytest.raises(BadRequest, match="behind the JSON"):
        read(tail, inputs=[given])


def test_json_longer_than_the_body_is_refused():
    with pytest.raises(BadRequest, match="Inference-Header-Content-Length is 99"):
        read_requested(memoryview(b"{}"), 99, takes())


@pytest.mark.parametrize("whose", ["inputs", "outputs"])
def test_shared_memory_is_told_not_to_be_served(whose):
    shared = {"parameters": {"shared_memory_region": "r", "shared_memory_byte_size": 8}}
    with pytest.raises(Unsupported, match="shared memory"):
        read(**{"inputs": [X]} | {whose: [X | shared]})


def test_inputs_that_are_not_taken_are_not_read():
    body = memoryview(json.dumps({"inputs": [X | {"data": "no list"}, X | {"name": "y"}]}).encode())
    with pytest.raises(BadRequest, match="misses 'z' and does not know 'x', 'y'"):
        read_requested(body, None, takes("z"))


@pytest.mark.parametrize("is_binary", [True, False])
def test_more_texts_than_are_taken_are_not_read(is_binary):
    def one(count):
        given = {"parameters": {"binary_data_size": 4}} if is_binary else {"data": [""] * 4}
        return {"name": "x", "shape": [count, 1], "datatype": "BYTES"} | given

    with pytest.raises(TooLarge, match="101 elements; at most 100"):
        read(b"1234" if is_binary else None, inputs=[one(101)])
    with pytest.raises(TooLarge, match="110 elements"):
        read(bytes(8), inputs=[one(50), one(60) | {"name": "y"}])
    with pytest.raises(BadRequest, match="elements"):  # These would be taken.
        read(b"1234" if is_binary else None, inputs=[one(100)])


def test_json_is_bounded_in_bytes_and_in_values():
    long = b"[" + b" " * MOST_JSON_BYTES + b"]"
    with pytest.raises(TooLarge, match="bytes; at most"):
        read_requested(memoryview(long), None, takes())
    for one in (b"[],", b"{},", b"1,", b'"",'):
        many = b"[" + one * MOST_MARKS + b"0]"
        with pytest.raises(TooLarge, match="brackets; at most"):
            read_requested(memoryview(many), None, takes())
    text = b'{"id": "%s"}' % (b"a" * 2 * MOST_MARKS)
    with pytest.raises(BadRequest, match="no inputs"):  # One value may be long.
        read_requested(memoryview(text), None, takes())


def test_a_picture_in_lists_of_lists_is_read():
    pixels = np.random.default_rng(0).random((1, 224, 224, 3))
    body = orjson.dumps({"inputs": [X | {"shape": pixels.shape, "data": pixels.tolist()}]})
    _, inputs = read_requested(memoryview(body), None, takes("x"))
    np.testing.assert_array_equal(inputs["x"], np.float32(pixels))


def test_the_same_json_before_other_bytes_asks_for_other_tensors():
    read(b"\1\2\3", inputs=[BINARY])
    _, second = read(b"\4\5\6", inputs=[BINARY])
    assert second["b"].tolist() == [4, 5, 6]
    for _ in range(2):  # What was wrong is wrong again.
        with pytest.raises(BadRequest, match="2 are left"):
            read(b"\4\5", inputs=[BINARY])
        with pytest.raises(BadRequest, match="belong to no input"):
            read(b"\4\5\6\7", inputs=[BINARY])


def test_the_same_json_is_read_anew_for_a_graph_that_takes_something_else():
    text = json.dumps({"inputs": [X]}).encode()
    read_requested(memoryview(text), None, takes("x"))
    with pytest.raises(BadRequest, match="does not know 'x'"):
        read_requested(memoryview(text), None, takes("y"))


def test_numbers_of_json_that_came_before_are_not_those_that_were_changed_since():
    first = read(inputs=[X])[1]["x"]
    first[:] = 9
    assert read(inputs=[X])[1]["x"].tolist() == [1, 2]
