"""Lists of the Hub's protocol come in pages of bounded work; clients follow the links."""

import base64
import json

import pytest

from zoo.web.hub import reading


def commit(client, name, path, content):
    value = {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}
    lines = [{"key": "header", "value": {"summary": path}}, {"key": "file", "value": value}]
    data = b"\n".join(json.dumps(line).encode() for line in lines)
    answer = client.post(f"/api/models/{name}/commit/main", data=data)
    assert answer.status_code == 200, answer.text
    return answer.json["commitOid"]


def pages(client, url):
    """Follow the links of a list; give its pages."""
    found = []
    while url:
        answer = client.get(url)
        assert answer.status_code == 200, answer.text
        found.append(answer.json)
        link = answer.headers.get("Link")
        url = link[1 : link.index(">")].removeprefix("http://localhost") if link else None
    return found


@pytest.fixture
def models(client):
    for number in range(6):
        client.post("/api/repos/create", json={"name": f"m{number}", "organization": "lab"})
        tag = "wanted" if number in {1, 5} else "other"
        commit(client, f"lab/m{number}", "README.md", f"---\ntags: [{tag}]\n---\n".encode())


@pytest.mark.usefixtures("models")
def test_models_with_a_tag_are_found_by_reading_so_many_cards_at_a_time(client, monkeypatch):
    monkeypatch.setattr(reading, "PAGE", 2)
    read = []
    real = reading.answers.read_card
    monkeypatch.setattr(
        reading.answers, "read_card", lambda *given: read.append(given) or real(*given)
    )
    first = client.get("/api/models?filter=nothing")
    assert (first.json, len(read)) == ([], 2)
    assert "Link" in first.headers
    found = [one["id"] for page in pages(client, "/api/models?filter=wanted") for one in page]
    assert found == ["lab/m1", "lab/m5"]
    assert sum(map(len, pages(client, "/api/models?filter=nothing"))) == 0


def test_commits_come_in_pages(client):
    client.post("/api/repos/create", json={"name": "net", "organization": "lab"})
    made = [commit(client, "lab/net", f"f{number}", b"x") for number in range(5)]
    found = pages(client, "/api/models/lab/net/commits/main?limit=2")
    assert [len(page) for page in found] == [2, 2, 2]  # The first revision is without files.
    assert [one["id"] for page in found for one in page][:5] == made[::-1]


@pytest.mark.parametrize(
    "card",
    [
        b"pipeline_tag: [a]\nlibrary_name: {b: c}",
        b"meta:\n  2020-01-01: x",
        b"score: .nan\nnumber: 0x" + b"f" * 9000,
        b'license: "\\uD800"\ntags: ["\\uDC00x"]\npipeline_tag: "\\uD800"',
    ],
    ids=["no texts", "keys", "numbers", "half letters"],
)
@pytest.mark.usefixtures("models")
def test_one_card_takes_no_page_from_anybody(client, card):
    commit(client, "lab/m0", "README.md", b"---\n" + card + b"\n---\n")
    listed = client.get("/api/models?full=true")
    assert len(listed.json) == 6
    assert b"NaN," not in listed.data
    for path in ("/", "/models/lab/m0", "/api/models/lab/m0", "/v1/models?facets=5"):
        assert client.get(path, headers={"Accept": "text/html"}).status_code == 200, path
