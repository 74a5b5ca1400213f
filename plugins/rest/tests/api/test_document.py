"""The OpenAPI document: current, complete, and true to how the API answers."""

from __future__ import annotations

import json
import os
import re
from typing import Any

import pytest

from host_rest.api.demands import rules_of
from host_rest.api.document import document_of
from plugins.rest.tests.api.desk import an_app
from tests.docs.pages import ROOT

PAGE = ROOT / "docs/reference/rest.md"
DOCUMENT = ROOT / "docs/reference/openapi.json"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return document_of(an_app())


@pytest.mark.slow
def test_the_committed_document_is_current(document: dict[str, Any]) -> None:
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("JOBHOST_WRITE_OPENAPI"):
        DOCUMENT.write_text(text, encoding="utf-8")

    assert DOCUMENT.read_text(encoding="utf-8") == text, "JOBHOST_WRITE_OPENAPI=1 makes this test write it anew"


def test_every_rule_is_documented_with_what_it_demands(document: dict[str, Any]) -> None:
    for rule in rules_of(an_app()):
        method, _, path = rule.name.partition(" ")
        operation = document["paths"][path][method.lower()]
        assert operation["x-policy"] == rule.demand.name
        assert operation["security"]
        assert operation["description"], rule.name


def test_every_error_is_a_problem_document(document: dict[str, Any]) -> None:
    for path in document["paths"].values():
        for operation in path.values():
            errors = {status: answer for status, answer in operation["responses"].items() if status >= "400"}
            assert {"400", "401", "403", "404", "409", "500", "503"} <= errors.keys()
            assert ("422" in errors) == ("requestBody" in operation)
            assert all(answer == {"$ref": f"#/components/responses/{status}"} for status, answer in errors.items())
    for answer in document["components"]["responses"].values():
        assert list(answer["content"]) == ["application/problem+json"]


def test_every_operation_is_on_the_reference_page() -> None:
    page = PAGE.read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| `([A-Z]+ /\S*)` \| `?([A-Z_]+|any caller who is known)`? \|", page, re.MULTILINE))
    told = {
        (rule.name, "any caller who is known" if rule.path == "/openapi.json" else rule.demand.name)
        for rule in rules_of(an_app())
    }

    assert rows == told
