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
