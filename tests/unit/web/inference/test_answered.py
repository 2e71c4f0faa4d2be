"""Answers: JSON, binary tensors behind it, compression, classes as texts."""

import gzip
import json
import zlib

import numpy as np
import pytest
from flask import Flask

from zoo.errors import BadRequest, Unsupported
from zoo.web.inference.answered import Output, write_answer
from zoo.web.inference.classification import classify

BODY = b"some tensors " * 1000


def answer(*outputs, accept=None, request_id=None):
    headers = {} if accept is None else {"Accept-Encoding": accept}
    with Flask(__name__).test_request_context(headers=headers):
        return write_answer("m", "1a", outputs, request_id=request_id)


def output(values, *, is_binary=False, name="p"):
    return Output(name=name, tensor=np.array(values), is_binary=is_binary)


def texts(*values):
    tensor = np.empty(len(values), dtype=object)
    tensor[:] = values
    return tensor


def test_json_alone():
    found = answer(output(np.float32([[0.1, 0.9]])), request_id="7")
    assert found.content_type == "application/json"
    assert "Inference-Header-Content-Length" not in found.headers
    assert found.json == {
        "id": "7",
        "model_name": "m",
        "model_version": "1a",
        "outputs": [{"name": "p", "datatype": "FP32", "shape": [1, 2], "data": [0.1, 0.9]}],
    }


def test_binary_tensors_stand_behind_the_json_in_its_order():
    first, second = np.arange(3, dtype=np.int64), np.float32([0.5])
    found = answer(
        output(first, is_binary=True, name="a"),
        output([True, False], name="b"),
        output(second, is_binary=True, name="c"),
    )
    size = int(found.headers["Inference-Header-Content-Length"])
    told = json.loads(found.data[:size])
    assert "id" not in told
    assert [one.get("parameters", {}).get("binary_data_size") for one in told["outputs"]] == [
        24,
        None,
        4,
    ]
    assert told["outputs"][1]["data"] == [True, False]
    assert found.data[size:] == first.tobytes() + second.tobytes()


@pytest.mark.parametrize(
    ("accept", "encoding"),
    [
        ("gzip", "gzip"),
        ("deflate", "deflate"),
        ("gzip, deflate, br", "gzip"),
        ("gzip;q=0.1, deflate;q=0.9", "deflate"),
        ("gzip;q=0, identity", None),
        ("br", None),
        ("identity", None),
        (None, None),
    ],
)
def test_an_answer_is_compressed_as_the_client_asks(accept, encoding):
    tensor = np.zeros(5000, np.float32)
    found = answer(output(tensor, is_binary=True), accept=accept)
    assert found.headers.get("Content-Encoding") == encoding
    plain = {"gzip": gzip.decompress, "deflate": zlib.decompress, None: bytes}[encoding](found.data)
    size = int(found.headers["Inference-Header-Content-Length"])
    assert plain[size:] == tensor.tobytes()
    assert json.loads(plain[:size])["outputs"][0]["shape"] == [5000]
    assert len(found.data) == int(found.headers["Content-Length"])


def test_a_short_answer_is_not_compressed():
    assert "Content-Encoding" not in answer(output([1]), accept="gzip").headers


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_json_cannot_say_is_said_binary_or_not_at_all(value):
    assert answer(output(np.float32([value]), is_binary=True)).data.endswith(
        np.float32([value]).tobytes()
    )
    with pytest.raises(Unsupported, match="infinite numbers"):
        answer(output(np.float32([value])))


def test_bytes_are_texts_in_json_and_have_lengths_in_binary():
    assert answer(output(texts(b"a", "ä"))).json["outputs"][0]["data"] == ["a", "ä"]
    binary = answer(output(texts(b"a", "ä"), is_binary=True))
    assert binary.data.endswith(b"\x01\x00\x00\x00a\x02\x00\x00\x00\xc3\xa4")
    with pytest.raises(Unsupported, match="no text"):
        answer(output(texts(b"\xff")))


def test_the_best_classes_are_told_with_value_index_and_label():
    scores = np.float32([[0.25, 0.5, 0.25], [0, 0, 1]])
    found = classify(scores, 2, ("a", "b", "c"), name="p")
    assert found.shape == (2, 2)
    assert found.tolist() == [
        [b"0.500000:1:b", b"0.250000:0:a"],
        [b"1.000000:2:c", b"0.000000:0:a"],
    ]
    assert classify(scores[0], 9, (), name="p").tolist() == [
        b"0.500000:1",
        b"0.250000:0",
        b"0.250000:2",
    ]


@pytest.mark.parametrize("scores", [np.float32(1), np.zeros((2, 0)), texts(b"a")], ids=repr)
def test_what_is_no_scores_is_not_classified(scores):
    with pytest.raises(BadRequest, match="'p' holds no scores"):
        classify(scores, 1, (), name="p")
