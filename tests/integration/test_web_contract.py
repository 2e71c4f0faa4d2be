"""Requests made up from the OpenAPI document get answers that the document tells of.

The same requests each time, a few for each address. More of them:

    ZOO_TEST_CONTRACT=200 pytest tests/integration/test_web_contract.py
"""

import io
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

EXAMPLES = int(os.environ.get("ZOO_TEST_CONTRACT", "3"))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ARCHIVES = ("application/zip", "application/x-tar", "application/gzip")
# What is there, asked for in every other request; the rest is made up.
THERE = {"name": "lab/net", "ref": "main", "path": "README.md", "number": 1, "account": "ada"}


@schemathesis.serializer(*ARCHIVES)
def send_bytes(_context, value):
    """Send what is made up for an archive as it is."""
    data = getattr(value, "data", value)
    return data if isinstance(data, bytes) else str(data).encode(errors="replace")


@pytest.fixture
def document(make_app):
    """The document of an open app with a model of two revisions."""
    client = make_app(access="open").test_client()
    for text in (b"# first", b"---\nlicense: mit\n---\n# second"):
        sent = {"file": (io.BytesIO(text), "README.md")}
        assert client.post("/v1/models/lab/net/revisions", data=sent).status_code == 201
    return schemathesis.openapi.from_wsgi("/openapi.json", client.application)


def ask(operation):
    """Make requests up for an operation; give what is wrong with answers, and their statuses."""
    wrong, statuses = {}, set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def one(case):
        for there in (False, True):
            if there:
                known = {key: THERE[key] for key in case.path_parameters if key in THERE}
                case.path_parameters = {**case.path_parameters, **known}
            try:
                response = case.call()
                statuses.add(response.status_code)
                case.validate_response(response, checks=CHECKS)
            except (
                AssertionError,
                schemathesis.errors.SchemathesisError,
                BaseExceptionGroup,
            ) as error:
                wrong.setdefault(str(error)[:600], case.as_curl_command())

    one()
    return wrong, statuses


def test_every_answer_is_one_that_the_document_tells_of(document):
    wrong, seen, asked = {}, set(), 0
    for result in document.get_all_operations():
        operation = result.ok()
        asked += 1
        faults, statuses = ask(operation)
        seen |= statuses
        for fault, command in faults.items():
            wrong[f"{operation.label}: {fault}"] = command
    assert asked > 40
    assert wrong == {}
    assert {200, 400, 404} <= seen  # They came through to what is there.
