"""Writes dashboard/src/api/types.ts from the OpenAPI document; with --check only says whether it is up to date.

A schema becomes an interface. In a request, a property may be left out unless the schema requires it; an answer always
has all of them, except for the rows of answers, whose schemas say which columns they can lack.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tallystick.app import build_app
from tallystick.config import Settings
from tallystick.model.answer_rows import ROW_BY_KIND, row_schemas

TYPES = Path(__file__).parents[1] / "dashboard" / "src" / "api" / "types.ts"

HEADER = """\
/* Written by `make docs` from the OpenAPI document (scripts/api_types.py). Do not edit. */
/* eslint-disable max-lines */
"""

REFERENCE = "#/components/schemas/"
_NAMES = {"string": "string", "number": "number", "integer": "number", "boolean": "boolean"}

Schema = dict[str, Any]


def references(node: Any) -> Iterator[str]:
    """Names of the components that a part of the document refers to, without what those refer to."""
    if isinstance(node, list):
        for part in node:
            yield from references(part)
    elif isinstance(node, dict):
        for key, part in node.items():
            if key == "$ref":
                yield part.removeprefix(REFERENCE)
            elif key != "discriminator":
                yield from references(part)


def reachable(node: Any, schemas: dict[str, Schema]) -> set[str]:
    """Names of all components that a part of the document needs."""
    found: set[str] = set()
    waiting = list(references(node))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += references(schemas[name])
    return found


def type_of(schema: Schema) -> str:
    """The TypeScript type of a schema."""
    text = _type_of(schema)
    return f"{text} | null" if schema.get("nullable") else text


def _type_of(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(REFERENCE)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            return " | ".join(dict.fromkeys(type_of(part) for part in schema[keyword]))
    if "enum" in schema:
        return " | ".join(json.dumps(value) for value in schema["enum"])
    if schema.get("type") == "array":
        item = type_of(schema["items"])
        return f"({item})[]" if " | " in item else f"{item}[]"
    if schema.get("type") == "object":
        values = schema.get("additionalProperties")
        return f"Record<string, {type_of(values) if isinstance(values, dict) else 'unknown'}>"
    return _NAMES.get(schema.get("type", ""), "unknown")


def comment(text: str, indent: str = "") -> str:
    """A description as a JSDoc comment with lines of at most 110 characters; empty without a description."""
    if not text:
        return ""
    if "\n" not in text and len(indent) + len(text) + 7 <= 110:
        return f"{indent}/** {text} */\n"
    lines = [line for part in text.split("\n") for line in (textwrap.wrap(part, 106 - len(indent)) or [""])]
    return f"{indent}/**\n" + "".join(f"{indent} * {line}".rstrip() + "\n" for line in lines) + f"{indent} */\n"


def interface(name: str, schema: Schema, *, complete: bool) -> str:
    """The interface of a component. `complete`: no property can be missing."""
    if "properties" not in schema:
        return f"{comment(schema.get('description', ''))}export type {name} = {type_of(schema)};\n"
    required = schema["properties"].keys() if complete else schema.get("required", [])
    parts = [comment(schema.get("description", "")), f"export interface {name} {{\n"]
    for key, value in schema["properties"].items():
        parts.append(comment(value.get("description", ""), "  "))
        parts.append(f"  {key}{'' if key in required else '?'}: {type_of(value)};\n")
    if name in row_schemas() and schema.get("additionalProperties") is True:
        parts.append("  [column: string]: unknown;\n")
    return "".join([*parts, "}\n"])


def document() -> str:
    """The whole text of types.ts."""
    openapi = build_app(Settings()).openapi()
    schemas: dict[str, Schema] = openapi["components"]["schemas"]
    operations = [
        operation
        for path, item in openapi["paths"].items()
        if path.startswith("/v1/")
        for operation in item.values()
        if "WriteKey" not in {scheme for way in operation.get("security", []) for scheme in way}
    ]
    rows = row_schemas()
    answered = reachable([operation["responses"] for operation in operations], schemas) - rows.keys() | {
        "Person",
        "JoinedId",
    }
    wanted = reachable(operations, schemas) | rows.keys()
    parts = [HEADER]
    parts += [interface(name, schemas[name], complete=name in answered) for name in sorted(wanted)]
    query = openapi["paths"]["/v1/query"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    kinds: dict[str, str] = query["discriminator"]["mapping"]
    parts.append(
        "/** The queries that `POST /v1/query` answers, by their kind. */\nexport interface QueryByKind {\n"
        + "".join(f"  {kind}: {reference.removeprefix(REFERENCE)};\n" for kind, reference in kinds.items())
        + "}\n"
    )
    parts.append(
        "/** A row of the answer to each kind of query. */\nexport interface RowByKind {\n"
        + "".join(f"  {kind}: {row.__name__};\n" for kind, row in ROW_BY_KIND.items())
        + "}\n"
    )
    return "\n".join(parts)


def main(arguments: list[str]) -> int:
    if arguments == ["--check"]:
        fresh = TYPES.exists() and TYPES.read_text("utf-8") == document()
        print(f"dashboard/src/api/types.ts is {'up to date.' if fresh else 'stale: run `make docs`.'}")
        return 0 if fresh else 1
    TYPES.write_text(document(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
