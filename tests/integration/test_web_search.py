"""Searches with filters and facets, over REST and at the terminal."""

import time

import pytest

CARD = "---\nlicense: {licence}\ntags: [{tags}]\n---\n# net\n"


@pytest.fixture
def many(upload):
    """Four models with cards."""
    for name, licence, tags in (
        ("ada/a", "mit", "x, y"),
        ("ada/b", "mit", "y"),
        ("bob/c", "bsd", "x"),
        ("d", "bsd", "z"),
    ):
        card = CARD.format(licence=licence, tags=tags).encode()
        assert upload(name, ("README.md", card)).status_code == 201


def names(answer):
    return [model["name"] for model in answer.json["models"]]


def counts(facets, wanted):
    (values,) = [one["values"] for one in facets if one["facet"] == wanted]
    return {one["value"]: one["count"] for one in values}


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("licence=mit", ["ada/a", "ada/b"]),
        ("licence=mit&licence=bsd", ["ada/a", "ada/b", "bob/c", "d"]),
        ("tag=x&tag=y", ["ada/a"]),
        ("tag=x&licence=bsd", ["bob/c"]),
        ("owner=ada&tag=y&search=B", ["ada/b"]),
        ("runs=stored&owner=bob", ["bob/c"]),
        ("runs=dense", []),
        ("min_classes=0", []),
        ("licence=none", []),
    ],
)
def test_filters_are_all_met(client, query, expected):
    answer = client.get(f"/v1/models?{query}")
    assert names(answer) == expected
    assert answer.json["total"] == len(expected)


@pytest.mark.usefixtures("many")
def test_facets_count_what_was_found_on_all_pages(client):
    answer = client.get("/v1/models?facets=10&licence=mit&limit=1").json
    assert (len(answer["models"]), answer["total"], answer["next"]) == (1, 2, "ada/a")
    assert counts(answer["facets"], "tag") == {"y": 2, "x": 1}
    assert counts(answer["facets"], "owner") == {"ada": 2}
    assert client.get("/v1/models").json["facets"] == []


@pytest.mark.usefixtures("many")
def test_counts_follow_what_becomes_of_models(client):
    def licences():
        return counts(client.get("/v1/models?facets=10").json["facets"], "licence")

    assert licences() == {"mit": 2, "bsd": 2}
    client.delete("/v1/models/ada/a")
    assert licences() == {"bsd": 2, "mit": 1}
    client.patch("/v1/models/ada/a", json={"is_deleted": False})
    assert licences() == {"mit": 2, "bsd": 2}


@pytest.mark.parametrize(
    "query",
    [
        "runs=sleeping",
        "min_classes=-1",
        f"max_parameters={2**63}",
        "facets=1001",
        "licence=",
        "colour=red",
        "&".join(f"tag={number}" for number in range(101)),
    ],
)
def test_what_cannot_be_asked_is_told(client, query):
    answer = client.get(f"/v1/models?{query}")
    assert answer.status_code == 400
    assert answer.json["error"]["detail"]["fields"]


@pytest.mark.usefixtures("stocked")
def test_models_of_the_zoo_are_found_by_what_they_are(client):
    assert names(client.get("/v1/models?dataset=digits&runs=classifier")) == ["lenet-digits"]
    assert names(client.get("/v1/models?source=caffe&min_classes=5&max_classes=5")) == [
        "lenet",
        "lenet-digits",
    ]
    assert names(client.get("/v1/models?max_parameters=1000")) == []


@pytest.mark.usefixtures("many")
def test_the_terminal_searches_and_counts_too(zoo_cli):
    listed = zoo_cli("list", "--filter", "licence=mit", "--filter", "tag=x", "--json")
    assert [model["name"] for model in listed.json] == ["ada/a"]
    assert "bob/c" in zoo_cli("list", "--search", "C").out
    counted = zoo_cli("list", "--filter", "licence=mit", "--facets", "--json").json
    assert counted["total"] == 2
    assert counts(counted["facets"], "tag") == {"y": 2, "x": 1}
    shown = zoo_cli("list", "--facets")
    assert ["tag", "x", "2"] in [line.split() for line in shown.out.splitlines()]
    assert "4 models" in shown.err


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("colour=red", "licence"),
        ("licence", "WHAT=VALUE"),
        ("licence>=mit", "no order"),
        ("classes>=many", "no number"),
        ("classes=" + "9" * 19, "no number"),
    ],
)
def test_filters_that_cannot_be_are_told(zoo_cli, asked, told):
    ran = zoo_cli("list", "--filter", asked)
    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


@pytest.mark.usefixtures("stocked")
def test_sizes_are_asked_for_at_the_terminal(zoo_cli):
    for asked in ("classes=5", "classes>=5", "classes<=5"):
        found = zoo_cli("list", "--filter", asked, "--filter", "dataset=digits", "--json").json
        assert [model["name"] for model in found] == ["lenet-digits"]
    assert zoo_cli("list", "--filter", "classes>=6", "--json").json == []


@pytest.mark.usefixtures("stocked")
def test_a_server_makes_its_index_before_anybody_asks_for_it(app):
    index, patience = app.extensions["zoo"].index, time.monotonic() + 60
    while not index.is_made:
        assert time.monotonic() < patience
        time.sleep(0.01)
    answer = app.test_client().get("/v1/models?search=LENET-d&facets=5")
    assert names(answer) == ["lenet-digits"]
    assert counts(answer.json["facets"], "dataset") == {"digits": 1}


@pytest.mark.usefixtures("stocked")
@pytest.mark.parametrize("query", ["search=lenet", "owner=", "search=LENET&limit=1", "search=x"])
def test_a_page_by_name_is_the_same_before_and_after_the_index_is_made(app, query):
    zoo, client = app.extensions["zoo"], app.test_client()
    before = client.get(f"/v1/models?{query}").json
    with zoo.catalog.reading() as db:
        zoo.index.at(db)
    assert client.get(f"/v1/models?{query}").json == before
