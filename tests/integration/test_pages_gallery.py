"""/: faces, search and facets, which work as plain links and forms."""

import io
import re
from html import unescape

import numpy as np
import pytest
from PIL import Image

from zoo.domain.config import WEIGHTS
from zoo.formats.safetensors import write_safetensors
from zoo.operations.models import delete_model, rename_model, set_private
from zoo.operations.publish import Publication, publish, put_text


@pytest.fixture
def zoo(app):
    return app.extensions["zoo"]


@pytest.fixture
def add(zoo):
    """A function that publishes a model of one text file."""

    def publish_one(name, **summary):
        files = {"README.md": put_text(zoo, f"# {name}")}
        return publish(zoo, Publication(model=name, files=files, message="made", summary=summary))

    return publish_one


def names(page):
    return re.findall(r"<h2>([^<]+)</h2>", page.text.partition('id="results"')[2])


def links(page, words):
    """Give the addresses of the links that begin with some words."""
    found = re.findall(rf'<a href="([^"]+)"[^>]*>{re.escape(words)}', page.text)
    return [unescape(one) for one in found]


def test_an_empty_zoo_tells_how_to_get_a_first_model(client):
    page = client.get("/")
    assert page.status_code == 200
    assert "zoo quickstart" in page.text
    assert 'href="/new/model"' in page.text


@pytest.mark.usefixtures("stocked")
def test_models_are_shown_with_face_accuracy_and_parent(client):
    page = client.get("/")
    assert names(page) == ["lenet", "lenet-digits"]
    card = page.text.partition("lenet-digits</h2>")[2]
    assert "from lenet" in card
    assert re.search(r"\d\d\.\d\N{NARROW NO-BREAK SPACE}%", card)
    faces = re.findall(r'<img class="face" src="([^"]+)"', page.text)
    assert len(faces) == 2
    answer = client.get(faces[0])
    assert answer.mimetype == "image/png"
    assert "immutable" in answer.headers["Cache-Control"]
    assert Image.open(io.BytesIO(answer.data)).size[0] <= 224
    again = client.get(faces[0], headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.usefixtures("stocked")
def test_a_face_follows_the_weights_and_not_the_name(client):
    one, other = (client.get(f"/models/{name}/face.png") for name in ("lenet", "lenet-digits"))
    assert one.data == other.data  # A probe leaves the first layer as it is.
    assert "immutable" not in one.headers["Cache-Control"]
    assert one.headers["ETag"] != other.headers["ETag"]


def test_what_has_no_filters_has_a_face_all_the_same(client, add):
    add("words")
    answer = client.get("/models/words/face.png")
    assert (answer.status_code, answer.mimetype) == (200, "image/svg+xml")


def test_weights_that_cannot_be_read_do_not_break_the_gallery(client, zoo):
    publish(
        zoo,
        Publication(
            model="odd", files={"model.safetensors": put_text(zoo, "nothing")}, message="odd"
        ),
    )
    assert client.get("/").status_code == 200
    answer = client.get("/models/odd/face.png")
    assert answer.mimetype == "image/svg+xml", answer.text


def test_search_and_facets_are_plain_addresses(client, add):
    add("alex/net", architecture="AlexNet", license="mit")
    add("alex/deep", architecture="AlexNet", license="bsd")
    add("vgg", architecture="VGG", license="mit")
    assert names(client.get("/?search=ALEX")) == ["alex/deep", "alex/net"]
    page = client.get("/?search=")
    (address,) = links(page, "mit")
    found = client.get(address)
    assert names(found) == ["alex/net", "vgg"]
    (address,) = links(found, "AlexNet")
    both = client.get(address)
    assert names(both) == ["alex/net"]
    assert 'name="licence" value="mit"' in both.text
    (address,) = links(both, "mit")  # let go of
    assert names(client.get(address)) == ["alex/deep", "alex/net"]


def test_pages_begin_where_the_one_before_ended(client, add):
    for number in range(5):
        add(f"net-{number}")
    page, seen = client.get("/?limit=2"), []
    while True:
        seen += names(page)
        following = links(page, "Next page")
        if not following:
            break
        page = client.get(following[0])
    assert seen == [f"net-{number}" for number in range(5)]


def test_what_is_not_there_is_told_with_a_way_on(client, add):
    add("net")
    page = client.get("/?search=zebra&licence=mit")
    assert "None is like that" in page.text
    assert 'value="zebra"' in page.text


def test_a_parameter_nobody_knows_is_a_page_with_the_reason(client):
    page = client.get("/?colour=red", headers={"Accept": "text/html"})
    assert page.status_code == 400
    assert "colour" in page.text


def test_summaries_and_labels_are_shown_as_text(client, add):
    add("net", architecture="<img src=x onerror=alert(1)>", license="\x1b[31mred\u202e")
    page = client.get("/")
    assert "<img src=x" not in page.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in page.text
    assert "\\x1b[31mred\\u202e" in page.text
    assert "\x1b" not in page.text
    assert "\u202e" not in page.text


def test_private_models_are_shown_to_nobody_else(make_app, add, zoo):
    add("lab/secret")
    with zoo.catalog.writing() as db:
        db.connection().exec_driver_sql("UPDATE models SET is_private = true")
    client = make_app(access="tokens", anonymous_read=True).test_client()
    assert names(client.get("/")) == []
    assert client.get("/models/lab/secret").status_code == 404
    assert client.get("/models/lab/secret/face.png").status_code == 404


@pytest.fixture
def drawn(client, zoo):
    """A model with filters whose face was drawn already; its address with the whole id."""
    weights = {"conv1.weight": np.random.default_rng(0).standard_normal((4, 3, 5, 5))}
    blob = zoo.blobs.put(write_safetensors(weights))
    revision = publish(zoo, Publication(model="lab/net", files={WEIGHTS: blob}, message="made"))
    address = f"/models/{revision.address}/face.png"
    assert client.get(address).mimetype == "image/png"
    return address


def test_a_face_that_was_drawn_is_given_without_reading_the_revision(client, drawn, monkeypatch):
    first = client.get(drawn)
    monkeypatch.setattr("zoo.operations.faces.get_revision", None)
    again = client.get(drawn)
    assert (again.data, again.headers["ETag"]) == (first.data, first.headers["ETag"])


def test_a_face_that_was_drawn_for_some_is_shown_to_nobody_else(make_app, zoo, drawn):
    stranger = make_app(access="tokens", anonymous_read=True).test_client()
    assert stranger.get(drawn).status_code == 200
    set_private(zoo, "lab/net", is_private=True)
    assert stranger.get(drawn).status_code == 404


def test_the_face_of_a_deleted_model_is_gone(client, zoo, drawn):
    delete_model(zoo, "lab/net")
    assert client.get(drawn).status_code == 404


def test_the_face_of_a_renamed_model_is_found_by_both_names(client, zoo, drawn):
    rename_model(zoo, "lab/net", "lab/other")
    for address in (drawn, drawn.replace("lab/net", "lab/other")):
        assert client.get(address).mimetype == "image/png"


def test_a_face_whose_picture_was_lost_is_drawn_again(client, zoo, drawn):
    first = client.get(drawn).data
    for path in (zoo.settings.home / "cache" / "faces").iterdir():
        path.unlink()
    assert client.get(drawn).data == first
