"""/models/NAME: every page of a model, and what others wrote shown as text."""

import re
from html import unescape

import numpy as np
import pytest

from zoo.domain.config import CONFIG, WEIGHTS, ModelConfig
from zoo.domain.preprocessing import Preprocessing
from zoo.domain.recipe import Recipe, Source
from zoo.formats.safetensors import write_safetensors
from zoo.operations.publish import Publication, publish, put_json, put_text

TABS = ["", "/files", "/layers", "/filters", "/metrics", "/history"]


@pytest.fixture
def zoo(app):
    return app.extensions["zoo"]


@pytest.fixture
def add(zoo):
    """A function that publishes a model of text files."""

    def publish_one(name, files, **more):
        blobs = {path: put_text(zoo, text) for path, text in files.items()}
        return publish(zoo, Publication(model=name, files=blobs, message="made", **more))

    return publish_one


@pytest.mark.usefixtures("stocked")
def test_every_page_of_a_model_is_there_and_has_its_twin(client):
    for name in ("lenet", "lenet-digits", "lenet-digits:main"):
        for tab in TABS:
            page = client.get(f"/models/{name}{tab}")
            assert page.status_code == 200, (name, tab)
            # In the navigation, and among the model's pages.
            assert page.text.count(' aria-current="page"') == 2
            (twin,) = re.findall(r'<dt>JSON</dt><dd><a href="([^"]+)"', page.text)
            assert client.get(twin).is_json


def test_a_model_of_other_files_has_every_page_too(client, add):
    add("notes", {"notes.txt": "nothing to run"})
    for tab in TABS:
        assert client.get(f"/models/notes{tab}").status_code == 200, tab


@pytest.mark.usefixtures("stocked")
def test_a_fine_tuned_model_tells_what_it_is_and_where_it_comes_from(client):
    page = client.get("/models/lenet-digits").text
    assert "fine-tuned on digits" in page
    assert 'href="/datasets/digits@' in page
    tree = page.partition('aria-label="Lineage"')[2].partition("</svg>")[0]
    assert re.search(r'<a href="/models/lenet@[0-9a-f]{40}">', tree)
    above = client.get("/models/lenet").text.partition('aria-label="Lineage"')[2]
    assert re.search(r'<a href="/models/lenet-digits@[0-9a-f]{40}">', above)


@pytest.mark.usefixtures("stocked")
def test_files_are_told_with_their_digests_and_can_be_downloaded(client):
    page = client.get("/models/lenet/files").text
    (address,) = re.findall(r'<a href="([^"]+/model\.safetensors)"', page)
    answer = client.get(address)
    assert answer.headers["ETag"].strip('"') in page
    assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.usefixtures("stocked")
def test_metrics_have_intervals_for_each_class(client):
    page = client.get("/models/lenet-digits/metrics").text
    rows = re.findall(r'<th scope="row">(\d)</th><td class="n">(\d+) of (\d+)</td>', page)
    assert [label for label, _, _ in rows] == ["5", "6", "7", "8", "9"]
    assert "Taken for" in page


@pytest.mark.usefixtures("stocked")
def test_filters_have_a_picture_and_a_histogram_each(client):
    page = client.get("/models/lenet/filters").text
    (picture,) = re.findall(r'<image href="(/v1/models/[^"]+/filters/[^"]+)"', page)
    assert client.get(unescape(picture)).mimetype == "image/png"
    assert page.count('aria-label="Histogram of') == page.count('<th scope="row">') > 0
    assert "the largest is 25 times that" in page  # 1 against 1/25


@pytest.mark.usefixtures("stocked")
def test_every_filter_of_a_picture_leads_to_itself_enlarged(client):
    page = client.get("/models/lenet/filters?layer=conv2").text
    links = re.findall(r'<a href="([^"]+)" aria-label="Filter (\d+)">', page)
    assert [int(number) for _, number in links] == list(range(16))
    one = client.get("/models/lenet/filters" + unescape(links[5][0])).text
    assert "Filter 5 of conv2" in one
    pictures = re.findall(r'<img src="([^"]+kernel=5[^"]*)"', one)
    assert [client.get(unescape(each)).mimetype for each in pictures] == ["image/png"] * 2
    # Its numbers are those of its twin.
    (twin,) = re.findall(r'<dt>JSON</dt><dd><a href="([^"]+)"', one)
    told = client.get(twin).json
    cells = re.findall(r'<td class="n">([^<]+)</td>', one.partition("Its numbers")[2])
    first = told["planes"][0][0][0]
    assert float(cells[0].replace("\N{MINUS SIGN}", "-")) == pytest.approx(first, rel=0.05)
    assert client.get("/models/lenet/filters?layer=conv2&kernel=16").status_code == 404


@pytest.mark.usefixtures("stocked")
def test_filters_of_single_numbers_are_enlarged_by_their_number(client):
    page = client.get("/models/lenet/filters?layer=ip1&kernel=63").text
    assert "Filter 63 of ip1" in page
    assert "spectrum" not in page
    assert 'aria-label="Filter 0"' not in page


@pytest.mark.usefixtures("stocked")
def test_drift_tells_what_moved_and_what_stayed(client):
    card = client.get("/models/lenet-digits").text
    assert 'href="/models/lenet-digits/drift"' in card
    page = client.get("/models/lenet-digits/drift").text
    body, head = page.count("kept to the bit</td>"), page.count(">new</td>")
    assert (body, head) == (6, 2)  # weights and biases below the new head
    assert "6 of 8 tensors are kept to the bit" in page
    against = client.get("/models/lenet/drift?against=lenet-digits").text
    assert "6 of 8 tensors are kept to the bit" in against
    (twin,) = re.findall(r'<dt>JSON</dt><dd><a href="([^"]+)"', against)
    assert client.get(unescape(twin)).json["against"].startswith("lenet-digits@")


def test_filters_that_moved_lead_to_themselves(client, zoo):
    before = np.ones((3, 4), np.float32)
    after = before.copy()
    after[2] *= 1.5
    for name, weights in (("old", before), ("new", after)):
        blob = zoo.blobs.put(write_safetensors({"fc.weight": weights}))
        publish(zoo, Publication(model=name, files={WEIGHTS: blob}, message=""))
    page = client.get("/models/new/drift?against=old").text
    (link,) = re.findall(r'<a href="(/models/new/filters[^"]+)">2<span', page)
    assert "Filter 2 of fc" in client.get(unescape(link)).text
    assert 'aria-label="Differences of fc.weight, 0 to 0.5"' in page


@pytest.mark.usefixtures("stocked")
def test_what_has_no_parent_is_compared_with_one_that_is_named(client):
    page = client.get("/models/lenet/drift")
    assert page.status_code == 200
    assert "has no parent" in page.text
    assert client.get("/models/lenet/drift?against=nothing").status_code == 404


def test_revisions_are_told_a_page_at_a_time(client, add, monkeypatch):
    monkeypatch.setattr("zoo.web.pages.models.PAGE", 3)
    ids = [add("net", {"README.md": f"# {number}"}).id for number in range(8)]
    page, seen = client.get("/models/net/history"), []
    while True:
        seen += re.findall(r'<a class="mono" href="/models/net@([0-9a-f]{40})"', page.text)
        following = re.findall(r'<a rel="next" href="([^"]+)"', page.text)
        if not following:
            break
        page = client.get(f"/models/net/history{following[0]}")
    assert seen == ids[::-1]


def test_an_alias_is_rolled_back_by_a_button_unless_somebody_moved_it(client, add):
    own = {"Origin": "http://localhost"}
    old, new = (add("net", {"README.md": f"# {number}"}).id for number in range(2))
    for target in (old, new):
        form = {"alias": "production", "revision": target}
        client.post("/models/net/alias", data=form, headers=own)
    page = client.get("/models/net/history").text
    (form,) = re.findall(r'<form method="post" action="/models/net/alias"><input.*?</form>', page)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]+)"', form))
    assert fields == {"alias": "production", "revision": old, "expected": new}
    assert f"Back to {old[:12]}" in form
    assert client.post("/models/net/alias", data=fields, headers=own).status_code == 303
    assert client.get("/v1/models/net").json["refs"]["production"] == old
    # The page is old by now.
    again = client.post("/models/net/alias", data=fields, headers=own)
    assert again.status_code == 409
    assert client.get("/models/net/history").text.count(f"Back to {new[:12]}") == 1


CARD = """---
license: mit
---
# <script>alert(1)</script>

<img src=x onerror=alert(2)> and <b onclick="alert(3)">bold</b>

[run](javascript:alert(4)) [data](data:text/html,<script>alert(5)</script>)
[site](https://example.org/a)

![far](https://example.org/far.png) ![near](near.png)
![up](../../../secret.png) ![odd](javascript:alert(6))

[own](deploy.prototxt) "quoted" \x1b[31m \u202ebackwards

| class | right |
| --- | --- |
| a<i>b</i> | 3 |
"""


def test_a_card_of_anyone_is_shown_and_does_nothing(client, add):
    revision = add("net", {"README.md": CARD, "near.png": "x", "deploy.prototxt": "y"})
    page = client.get("/models/net").text
    card = page.partition('<div class="card"')[2].partition("<aside")[0]
    base = f"/v1/models/net/revisions/{revision.id}/files"
    assert "<script" not in card
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in card
    assert re.findall(r"<img [^>]*>", card) == [
        f'<img src="{base}/near.png" alt="near" loading="lazy">'
    ]
    assert set(re.findall(r'href="([^"]*)"', card)) == {
        "https://example.org/a",
        "https://example.org/far.png",
        f"{base}/deploy.prototxt",
    }
    assert 'rel="noopener noreferrer nofollow"' in card
    assert not re.search(r"<[^>]+\son\w+=", card)
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "<td>a&lt;i&gt;b&lt;/i&gt;</td>" in card


def test_a_card_without_end_is_shown_in_part(client, add):
    add("net", {"README.md": "# long\n\n" + "word " * 60_000})
    page = client.get("/models/net")
    assert page.status_code == 200
    assert "The card is longer" in page.text


def test_front_matter_that_cannot_be_read_hides_no_card(client, add):
    add("net", {"README.md": "---\na: [\n---\n# Title\n"})
    page = client.get("/models/net")
    assert page.status_code == 200
    assert "Title" in page.text


def test_labels_with_control_characters_are_seen(client, add):
    add("net", {"config.json": "{}"}, summary={"architecture": "a\x07b\u202ec"})
    page = client.get("/models/net").text
    assert "a\\x07b\\u202ec" in page


EVIL = "<img src=x onerror=alert(1)>\x07\u202e"  # as a layer, a label, an architecture


@pytest.fixture
def hostile(zoo):
    """Two models whose layers, labels and words were chosen to harm."""
    config = ModelConfig(
        architecture=EVIL,
        label_names=(EVIL, "b"),
        pictures=Preprocessing(),
        recipe=Recipe(source=Source(kind="vision", architecture="x")),
        lineage={},
    )
    for number, name in enumerate(("net", "other")):
        weights = {f"{EVIL}.weight": np.full((2, 3, 4, 4), number + 0.5, np.float32)}
        files = {
            WEIGHTS: zoo.blobs.put(write_safetensors(weights)),
            CONFIG: put_json(zoo, config.as_json()),
        }
        told = {"architecture": EVIL, "license": EVIL, "verdict": EVIL, "source": EVIL}
        publish(zoo, Publication(model=name, files=files, message=EVIL, summary=told))


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("/", 1),
        ("/models/net", 2),
        ("/models/net/filters", 3),
        ("/models/net/filters?kernel=1", 4),
        ("/models/net/drift?against=other", 4),
        ("/models/net/history", 2),
        ("/models/net/try", 1),
        ("/compare?old=other&new=net", 1),
    ],
)
def test_layers_and_labels_of_anyone_are_shown_as_text(client, page, shown):
    answer = client.get(page)
    assert answer.status_code == 200
    text = answer.text
    assert "<img src=x" not in text
    assert not set("\x07\u202e") & set(text)
    assert text.count("&lt;img src=x onerror=alert(1)&gt;\\x07\\u202e") >= shown


def test_a_file_that_is_a_page_or_a_drawing_with_a_script_does_nothing(client, add):
    script = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    revision = add("net", {"evil.svg": script, "evil.html": "<script>alert(2)</script>"})
    for path in ("evil.svg", "evil.html"):
        answer = client.get(f"/v1/models/net/revisions/{revision.id}/files/{path}")
        assert answer.headers["Content-Disposition"].startswith("attachment")
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_what_is_no_name_is_a_page_that_says_so(client):
    for name in ("<img src=x onerror=alert(1)>", "a\x00b", "-", "x/y/z"):
        page = client.get(f"/models/{name}", headers={"Accept": "text/html"})
        assert page.status_code in {400, 404, 422}
        assert "<img src=x" not in page.text


def test_a_training_record_of_others_breaks_nothing(client, zoo):
    files = {"training.json": put_json(zoo, {"metrics": {"val": 3}})}
    publish(zoo, Publication(model="net", files=files, message="made"))
    assert client.get("/models/net/metrics").status_code == 200


def test_a_name_near_one_that_is_there_is_told(client, add):
    add("lenet", {"README.md": "x"})
    page = client.get("/models/lenett", headers={"Accept": "text/html"})
    assert page.status_code == 404
    assert "Did you mean &#39;lenet&#39;" in page.text
