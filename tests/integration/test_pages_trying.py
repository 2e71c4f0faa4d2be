"""/models/NAME/try: a picture that is sent or picked, by a plain form."""

import io
import re

import pytest
from PIL import Image

from zoo.operations.publish import Publication, publish


@pytest.fixture
def zoo(app):
    return app.extensions["zoo"]


def rows(page):
    """Give the classes of an answer with their probabilities as they are written."""
    answer = page.text.partition('id="answer"')[2].partition("</section>")[0]
    row = re.compile(r'<th scope="row">([^<]+)</th>.*?<td class="n">([^<]+)</td>', re.DOTALL)
    return row.findall(answer)


@pytest.mark.usefixtures("stocked")
def test_a_picture_that_is_sent_is_answered(client, picture):
    assert "Drop a picture" in client.get("/models/lenet-digits/try").text
    data = {"picture": (io.BytesIO(picture.read_bytes()), "seven.png")}
    page = client.post("/models/lenet-digits/try", data=data)
    assert page.status_code == 200
    found = rows(page)
    assert len(found) == 5
    assert found[0][0] == "7"
    assert "seven.png" in page.text


@pytest.mark.usefixtures("stocked")
def test_a_picture_of_the_dataset_is_picked_without_being_sent(client):
    page = client.get("/models/lenet-digits/try").text
    (dataset,) = re.findall(r'name="dataset" value="([^"]+)"', page)
    samples = re.findall(r'name="sample" value="(\w+)"', page)
    thumbnail = re.findall(r'<img src="(/datasets/[^"]+/pictures/\w+\.jpg)"', page)[0]
    assert client.get(thumbnail).mimetype == "image/jpeg"
    empty = (io.BytesIO(b""), "")  # as browsers send a file that was not chosen
    form = {"dataset": dataset, "sample": samples[0], "picture": empty}
    answer = client.post("/models/lenet-digits/try", data=form)
    assert answer.status_code == 200
    assert len(rows(answer)) == 5


@pytest.mark.usefixtures("stocked")
def test_two_models_answer_side_by_side(client, picture):
    form = {"picture": (io.BytesIO(picture.read_bytes()), "seven.png"), "beside": "lenet"}
    page = client.post("/models/lenet-digits/try", data=form)
    assert page.text.count("<caption>") == 2
    assert len(rows(page)) == 10


@pytest.mark.usefixtures("stocked")
def test_what_cannot_be_tried_is_told_with_a_next_step(client):
    browser = {"Accept": "text/html"}
    for sent, status in (
        ({}, 400),
        ({"picture": (io.BytesIO(b"no picture"), "x.png")}, 422),
        ({"sample": "0" * 64, "dataset": "digits"}, 404),
        ({"sample": "../../etc/passwd", "dataset": "digits"}, 400),
    ):
        answer = client.post(
            "/models/lenet-digits/try",
            data=sent,
            headers=browser,
            content_type="multipart/form-data",
        )
        assert answer.status_code == status
        assert 'role="alert"' in answer.text


def test_a_map_is_shown_for_each_class(client, zoo, colour_map):
    labels = ("red <b>", "green\x07", "blue")
    graph = zoo.blobs.put([colour_map(labels=labels)])
    publish(
        zoo,
        Publication(
            model="colours",
            files={"model.onnx": graph},
            message="made",
            summary={"runs": "dense", "classes": 3},
        ),
    )
    picture = io.BytesIO()
    Image.new("RGB", (32, 16), (0, 0, 255)).save(picture, "PNG")
    form = {"picture": (io.BytesIO(picture.getvalue()), "sky.png"), "short_side": "16"}
    page = client.post("/models/colours/try", data=form)
    assert page.status_code == 200
    best, *_ = rows(page)
    assert best == ("blue", "100.0\N{NARROW NO-BREAK SPACE}%")
    assert page.text.count('href="data:image/png;base64,') == 6  # each large and small
    assert page.text.count('href="data:image/jpeg;base64,') == 1
    assert "&#34;rows&#34;: 4, &#34;columns&#34;: 8" in page.text
    assert "<b>" not in page.text.partition('id="answer"')[2].partition("</section>")[0]
    assert "\x07" not in page.text
