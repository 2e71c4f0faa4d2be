"""Compressed bodies that come side by side: their memory is handed out in turns, and given back."""

import gzip
import threading
import time
import tracemalloc

import numpy as np
import pytest

from zoo.web.inflated import INFLATED
from zoo.web.pictures import read_pictures

pytestmark = pytest.mark.usefixtures("stocked")
PREDICT, INFER = "/v1/models/lenet-digits/predict", "/v2/models/lenet-digits/infer"
GZIP = {"Content-Encoding": "gzip"}
DEADLINE_S = 60


def test_a_body_waits_for_the_memory_that_it_may_need(app, client, picture):
    share = app.extensions[INFLATED]
    share.take(share.most_bytes)
    answers = []
    body = gzip.compress(picture.read_bytes())
    asking = threading.Thread(
        target=lambda: answers.append(app.test_client().post(PREDICT, data=body, headers=GZIP))
    )
    asking.start()
    ends_s = time.monotonic() + DEADLINE_S
    while not share._waiting and time.monotonic() < ends_s:
        time.sleep(0.01)
    assert not answers
    # What is not compressed waits for none.
    assert client.post(PREDICT, data=picture.read_bytes()).status_code == 200
    share.give(share.most_bytes)
    asking.join(DEADLINE_S)
    assert [answer.status_code for answer in answers] == [200]
    assert (share.taken_bytes, share.holders) == (0, 0)


@pytest.mark.parametrize("path", [PREDICT, INFER])
@pytest.mark.parametrize(
    "body", [gzip.compress(bytes(2**20)), gzip.compress(b"{}")[:-3], b"no gzip"], ids=len
)
def test_what_is_refused_gives_its_memory_back(make_app, path, body):
    app = make_app(max_picture_bytes=10_000, max_inference_bytes=10_000)
    assert app.test_client().post(path, data=body, headers=GZIP).status_code in {400, 413}
    assert app.extensions[INFLATED].taken_bytes == app.extensions[INFLATED].holders == 0


def test_a_body_keeps_what_it_became_while_its_request_is_answered(app, monkeypatch):
    share, kept = app.extensions[INFLATED], []
    plain = np.random.default_rng(0).bytes(50_000)

    def look(_body):
        kept.append((share.taken_bytes, share.holders))
        return {}

    monkeypatch.setattr("zoo.web.inference.requested.orjson.loads", look)
    answer = app.test_client().post(INFER, data=gzip.compress(plain), headers=GZIP)
    assert answer.status_code == 400
    assert kept == [(len(plain), 1)]
    assert (share.taken_bytes, share.holders) == (0, 0)


def test_a_picture_is_held_once(make_app):
    size = 16 * 2**20
    app, body = make_app(max_picture_bytes=2 * size), gzip.compress(bytes(size), 1)
    with app.test_request_context(PREDICT, method="POST", data=body, headers=GZIP):
        tracemalloc.start()
        pictures = read_pictures()
        _, data = next(pictures)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
    assert len(data) == size
    assert held < 9 / 8 * size
