"""The OpenAPI document and its page are made of what the views tell."""

import re

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from zoo.web.reference import PARAMETER

BODILESS = ("/cancel", "/pause", "/resume")  # ends of addresses that need to be told nothing


@pytest.fixture
def document(client):
    return client.get("/openapi.json").json


def operations(document):
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_the_document_is_valid_openapi_3_1(document):
    assert document["openapi"].startswith("3.1")
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []


# What clients of Triton may ask and is not served here: nothing to tell.
REFUSED = ("/trace/", "/logging", "sharedmemory/")


def test_every_route_of_v1_and_v2_is_told(app, document):
    routes = {
        (method, PARAMETER.sub(r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith(("/v1", "/v2", "/metrics"))
        and not any(one in rule.rule for one in REFUSED)
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    assert len(routes) > 10
    assert set(operations(document)) == routes


EMPTY = {"302", "304"}


def test_every_operation_tells_its_answers(document):
    for operation in operations(document).values():
        assert operation["summary"].endswith(".")
        statuses = operation["responses"]
        assert any(status.startswith("2") for status in statuses)
        for status, answer in statuses.items():
            assert bool(answer.get("content")) == (status not in EMPTY)


def test_every_refusal_is_of_the_one_shape_or_of_the_protocols(document):
    for (_, path), operation in operations(document).items():
        shape = "ProtocolError" if path.startswith("/v2") else "ErrorAnswer"
        for status, answer in operation["responses"].items():
            if not status.startswith("2") and status not in EMPTY:
                schema = answer["content"]["application/json"]["schema"]
                assert schema == {"$ref": f"#/components/schemas/{shape}"}


def test_every_post_tells_its_body(document):
    for (method, path), operation in operations(document).items():
        if method == "POST" and not path.endswith(BODILESS):
            assert operation["requestBody"]["content"], path


def test_operations_are_named_once(document):
    names = [operation["operationId"] for operation in operations(document).values()]
    assert len(names) == len(set(names))


def test_every_reference_leads_somewhere(document):
    schemas = document["components"]["schemas"]
    for name in re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"')):
        assert name in schemas


def test_the_page_tells_every_operation(client, document):
    page = client.get("/docs").text
    for (_, path), operation in operations(document).items():
        assert f'id="{operation["operationId"]}"' in page
        assert f"<code>{path}</code>" in page
    for name in document["components"]["schemas"]:
        assert f'<section id="{name}">' in page


def test_the_page_needs_nothing_from_elsewhere(client):
    page = client.get("/docs").text
    linked = re.findall(r'(?:href|src)="([^"]+)"', page)
    own = [link for link in linked if link.startswith("/") and not link.startswith("//")]
    assert all(link.startswith(("/", "#")) for link in linked)
    texts = [page]
    for link in own:
        answer = client.get(link)
        assert answer.status_code == 200, link
        texts.append(answer.text if "svg" not in answer.mimetype else "")
    assert not re.search(r"https?://|<script|@import", "".join(texts))


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/v1/models", "/nowhere"])
def test_every_answer_forbids_what_is_not_its_own(client, path):
    headers = client.get(path).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["X-Content-Type-Options"] == "nosniff"
