"""The OpenAPI document: FastAPI's for the read routes, plus fragments of the routes that do not go through FastAPI.

It is written in version 3.0.3, the newest that the bundled Swagger UI shows; FastAPI writes 3.1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from tallystick.api.access.gate import Access, Gate, access_of, endpoints
from tallystick.model.answer_rows import row_schemas
from tallystick.model.status import ErrorAnswer

ERROR = {
    "description": "An error: its code, and a sentence that says what to do.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}},
}
_HOW = (
    "Also as the header X-API-Key. Needed once the server has such keys; see the section Keys of docs/use/http-api.md."
)
SECURITY_SCHEMES = {
    "WriteKey": {"type": "http", "scheme": "bearer", "description": f"A key for sending events. {_HOW}"},
    "ReadKey": {"type": "http", "scheme": "bearer", "description": f"A key for reading. {_HOW}"},
    "AdminKey": {"type": "http", "scheme": "bearer", "description": f"A key for administration. {_HOW}"},
    "Login": {
        "type": "apiKey",
        "in": "cookie",
        "name": "tallystick_session",
        "description": "The cookie of POST /v1/session; what changes something also needs X-CSRF-Token.",
    },
    "ShareToken": {"type": "http", "scheme": "bearer", "description": "A share link's token; only as this header."},
}
_NOT_IN_30 = {"propertyNames", "prefixItems", "contentMediaType", "contentEncoding", "$schema"}


def extra_openapi(app: FastAPI, paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> None:
    """Add routes that are served outside of `app` to its document.

    Args:
        paths: OpenAPI path items, `{"/v1/events": {"post": {…}}}`. A known path may get a new method.
        schemas: the components that they refer to, as pydantic writes JSON Schema.

    Raises:
        ValueError: a method of a path, or a component with other contents, is in the document already.
    """
    app.state.extra_openapi.append((paths, schemas))
    app.openapi_schema = None


def install_openapi(app: FastAPI) -> None:
    """Make `app.openapi()`, and so /openapi.json, the merged document."""
    app.state.extra_openapi = []

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas.update(ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}").pop("$defs"))
    schemas["ErrorAnswer"] = _without_defs(ErrorAnswer.model_json_schema(ref_template="#/components/schemas/{model}"))
    schemas.update({name: schema for name, schema in row_schemas().items() if name not in schemas})
    _require_kind(document["paths"]["/v1/query"]["post"], schemas)
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"].pop("422", None)  # invalid requests are answered with 400, see responses.py
            operation["responses"]["default"] = ERROR
    for paths, more in app.state.extra_openapi:
        _merge(document["paths"], schemas, paths, more)
    document["components"]["securitySchemes"] = SECURITY_SCHEMES
    _name_keys(document["paths"], app)
    converted: dict[str, Any] = to_openapi_30(document)
    return {**converted, "openapi": "3.0.3"}


def _name_keys(paths: dict[str, Any], app: FastAPI) -> None:
    """Set which key each operation takes, and whether it is required.

    Paths that the app has no route for are write routes.
    """
    gate: Gate = app.state.gate
    wanted = {(method, path): access_of(endpoint) for method, path, endpoint in endpoints(app)}
    for path, item in paths.items():
        for method, operation in item.items():
            access = wanted.get((method.upper(), path))
            if access in (Access.OPEN, Access.CALLER):
                continue
            if access is Access.ACCOUNT:
                operation["security"] = [{"Login": []}]
                continue
            if access in (Access.OWNER, Access.ADMIN):
                operation["security"] = [{"AdminKey": []}, {"Login": []}]
                continue
            if access is Access.SHARE:
                operation["security"] = [{"ShareToken": []}]
                continue
            scheme, guarded = ("ReadKey", gate.guarded) if access else ("WriteKey", gate.writes_guarded)
            operation["security"] = [{scheme: []}] if guarded else [{scheme: []}, {}]


def _require_kind(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Mark `kind` as required in each query. Pydantic leaves it optional, because each model has a default for it."""
    discriminator = operation["requestBody"]["content"]["application/json"]["schema"]["discriminator"]
    for reference in discriminator["mapping"].values():
        schema = schemas[reference.rpartition("/")[2]]
        schema["required"] = [discriminator["propertyName"], *schema.get("required", [])]


def _without_defs(schema: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$defs"}


def _merge(
    paths: dict[str, Any], schemas: dict[str, Any], more_paths: Mapping[str, Any], more_schemas: Mapping[str, Any]
) -> None:
    for path, item in more_paths.items():
        known = paths.setdefault(path, {})
        if twice := known.keys() & item.keys():
            raise ValueError(f"{path} is described twice: {', '.join(sorted(twice))}")
        known.update(item)
    for name, schema in more_schemas.items():
        if schemas.setdefault(name, schema) != schema:
            raise ValueError(f"there are two different components {name}")


def to_openapi_30(node: Any) -> Any:
    """A part of a 3.1 document in the form of 3.0, which differs in null, const, exclusive limits and examples."""
    if isinstance(node, list):
        return [to_openapi_30(part) for part in node]
    if not isinstance(node, dict):
        return node
    # The keys of a `properties` map are names, not keywords.
    names = {"properties": {k: to_openapi_30(v) for k, v in node["properties"].items()}} if "properties" in node else {}
    rest = {k: v for k, v in node.items() if k not in _NOT_IN_30 and k != "properties"}
    schema = {key: to_openapi_30(value) for key, value in _nullable(rest).items()} | names
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        value = schema.get(exclusive)
        if isinstance(value, int | float) and not isinstance(value, bool):
            schema[limit], schema[exclusive] = value, True
    if isinstance(schema.get("examples"), list):
        schema["example"] = schema.pop("examples")[0]
    return schema


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    for keyword in ("anyOf", "oneOf"):
        parts = schema.get(keyword)
        if not isinstance(parts, list) or {"type": "null"} not in parts:
            continue
        others = [part for part in parts if part != {"type": "null"}]
        rest = {key: value for key, value in schema.items() if key != keyword}
        if len(others) == 1 and "$ref" not in others[0]:
            return {**others[0], **rest, "nullable": True}
        return {**rest, ("allOf" if len(others) == 1 else keyword): others, "nullable": True}
    return schema
