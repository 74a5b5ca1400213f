"""The API as an OpenAPI document, made from its routes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from host.model.security import Policy
from host_rest.api.demands import SCHEME, routes_of
from host_rest.api.inputs import ANY_DURATION
from host_rest.problems import MEDIA_TYPE

_TEXT = {"type": "string"}
PROBLEM: Mapping[str, Any] = {
    "title": "Problem",
    "description": "What went wrong (RFC 9457). `code` is stable; `problems` says each finding by itself.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {**_TEXT, "format": "uri"},
        "title": _TEXT,
        "status": {"type": "integer"},
        "detail": _TEXT,
        "code": _TEXT,
        "where": _TEXT,
        "hint": _TEXT,
        "problems": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["message"],
                "properties": {
                    "message": _TEXT,
                    "where": {"type": ["string", "null"]},
                    "hint": {"type": ["string", "null"]},
                },
            },
        },
        "request_id": _TEXT,
        "expected_version": _TEXT,
        "version": _TEXT,
    },
}
_ERRORS: Mapping[str, str] = {
    "400": "The request is malformed.",
    "401": "The caller is not known.",
    "403": "The caller may not.",
    "404": "There is no such thing.",
    "409": "What is there does not allow it.",
    "413": "The body is too large.",
    "414": "The target is too long.",
    "415": "The body is of another media type.",
    "422": "Parameters do not fit the job, or a schedule can never work.",
    "429": "Too many attempts.",
    "500": "The host failed; its log says how.",
    "501": "The configured provider cannot do this.",
    "503": "The host or a store is not available now.",
}
_WITH_BODY = frozenset({"413", "415", "422"})


def document_of(app: FastAPI) -> dict[str, Any]:
    """Give the document; the same for the same code."""
    document = get_openapi(
        title="jobhost",
        version="1",
        openapi_version="3.1.0",
        summary="Jobs, schedules and runs of a jobhost.",
        description=(
            "Instants are RFC 3339 in UTC, durations ISO 8601. Errors are problem documents (RFC 9457). "
            "What a caller needs is said by `x-policy`. Members that are not known and query parameters that are "
            "not known are refused."
        ),
        routes=routes_of(app),
        servers=[{"url": "/rest/v1"}],
        separate_input_output_schemas=False,
    )
    components = document.setdefault("components", {})
    components["schemas"] = {
        name: schema for name, schema in components.get("schemas", {}).items() if "ValidationError" not in name
    }
    components["schemas"]["Problem"] = dict(PROBLEM)
    components["responses"] = {status: _problem(text) for status, text in _ERRORS.items()}
    components["securitySchemes"] = {SCHEME: _security()}
    for path in document["paths"].values():
        for operation in path.values():
            _document_errors(operation)
    cleaned: dict[str, Any] = _clean(document)
    return cleaned


def _document_errors(operation: dict[str, Any]) -> None:
    operation.pop("x-audited", None)
    responses = operation["responses"]
    for status in _ERRORS:
        if status not in _WITH_BODY or "requestBody" in operation:
            responses[status] = {"$ref": f"#/components/responses/{status}"}
        else:
            responses.pop(status, None)


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}


def _security() -> dict[str, Any]:
    scopes = {policy.value: policy.name for policy in Policy}
    return {
        "type": "oauth2",
        "flows": {"clientCredentials": {"tokenUrl": "/auth/oauth2_token", "scopes": scopes}},
    }


def _clean(value: Any, *, is_properties: bool = False) -> Any:
    """Leave out the titles made from member names, and write descriptions as Markdown does."""
    if isinstance(value, dict):
        if value.get("format") == "duration":  # JSON Schema knows no fractions of a second
            value = {name: part for name, part in value.items() if name != "format"} | {"pattern": f"^{ANY_DURATION}$"}
        kept = {k: v for k, v in value.items() if is_properties or k != "title" or not _is_schema(value)}
        return {
            k: " ".join(v.replace("``", "`").split()) if k == "description" and isinstance(v, str) else _inner(k, v)
            for k, v in kept.items()
        }
    return [_clean(item) for item in value] if isinstance(value, list) else value


def _inner(name: str, value: Any) -> Any:
    return _clean(value, is_properties=name == "properties")


def _is_schema(value: Mapping[str, Any]) -> bool:
    return any(name in value for name in ("type", "$ref", "anyOf", "enum")) or value.keys() <= {"title", "description"}
