"""JSON answers, and the one module where an error becomes a status and a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match

from tallystick import logs
from tallystick.errors import InvalidRequest, TallystickError, Unauthorized
from tallystick.model.query import QUERY_KINDS

log = logs.logger(__name__)

CODES = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "unsupported_media_type"}
"""Codes of errors that the HTTP layer raises itself. All other errors are TallystickErrors with a code of their own."""

METHODS = ("DELETE", "GET", "PATCH", "POST", "PUT")

_BRANCHES = {"condition", "str", "float", "int", "bool", "previous", "period"}
"""Parts of an error's location that are not fields: pydantic also writes which branch of a union it tried."""
_SHAPE_ERRORS = {"missing", "extra_forbidden", "model_type", "model_attributes_type"}


def json_answer(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """`value` as JSON: aware instants in ISO 8601; NaN and infinity, which JSON does not have, as null."""
    return Response(msgspec.json.encode(value), status, headers, "application/json")


def error_answer(status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """`{"error": {"code", "message"}}`. Lone surrogates in the message, which UTF-8 cannot encode, become `?`."""
    readable = message.encode("utf-8", "replace").decode("utf-8")
    return json_answer({"error": {"code": code, "message": readable}}, status, headers)


def from_tallystick_error(error: TallystickError) -> Response:
    """The answer for an error that Tallystick raised on purpose. Details that a client must not see go to the log."""
    if error.status >= 500 and error.whole != error.public:
        log.warning("request refused", code=error.code, error=error.whole)
    headers = None if error.retry_after is None else {"Retry-After": str(error.retry_after)}
    if isinstance(error, Unauthorized):
        headers = {"WWW-Authenticate": error.challenge}
    return error_answer(error.status, error.code, error.public, headers)


def sentence(errors: Sequence[Any]) -> str:
    """The most specific of pydantic's errors as one sentence that names the field.

    For a union, pydantic reports the errors of every branch. An error about a value is more specific than one about
    the shape of an object, and the deepest field is the most specific.
    """
    specific = [error for error in errors if error["type"] not in _SHAPE_ERRORS] or list(errors)
    chosen = max(specific, key=lambda error: len(error["loc"]))
    if chosen["type"] == "json_invalid":
        return f"the body is not JSON: {chosen.get('ctx', {}).get('error', 'it cannot be read')}"
    message = str(chosen["msg"]).removeprefix("Value error, ")
    match chosen["type"]:
        case "extra_forbidden":
            message = "there is no such field"
        case "missing":
            message = "this field is required"
        case "union_tag_not_found":
            message = f"the field {chosen['ctx']['discriminator']} is required"
    field = _field(chosen["loc"])
    return f"{field}: {message}" if field else message


def _field(location: Sequence[Any]) -> str:
    words = [str(part) for part in location]
    if words and words[0] in {"body", "query", "path"}:
        source = words.pop(0)
        if source == "body" and words and words[0] in QUERY_KINDS:
            words.pop(0)
        if not words:
            return f"the {source}"
    if words[:1] == ["question"] and len(words) > 1 and words[1] in QUERY_KINDS:
        words.pop(1)
    fields = [word for word in words if word not in _BRANCHES and not word.startswith("list[")]
    pairs = zip(fields, ["", *fields], strict=False)
    return ".".join(word for word, before in pairs if word not in {"all", "any"} or word != before)


def understood(shape: type[Any], fields: Mapping[str, Any]) -> Any:
    """`shape(**fields)`. Raises InvalidRequest with a sentence that names the invalid field."""
    try:
        return shape(**fields)
    except ValidationError as error:
        raise InvalidRequest(sentence(error.errors(include_url=False))) from error


async def _tallystick_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TallystickError)
    return from_tallystick_error(error)


async def _invalid(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    return error_answer(InvalidRequest.status, InvalidRequest.code, sentence(error.errors()))


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if isinstance(error.__cause__, TallystickError):
        return from_tallystick_error(error.__cause__)
    if isinstance(error.__cause__, UnicodeDecodeError | RecursionError):
        return error_answer(400, InvalidRequest.code, "the body is not JSON: it is not UTF-8, or nested too deep")
    where = f"{request.method} {request.url.path}"
    if error.status_code == 404:
        return error_answer(404, CODES[404], f"there is no route {where}; /docs lists them all")
    if error.status_code == 405:
        allowed = {"Allow": ", ".join(_allowed_methods(request))}
        if request.method == "OPTIONS":
            return Response(status_code=204, headers=allowed)
        return error_answer(405, CODES[405], f"there is no {where}; use {allowed['Allow']}", allowed)
    return error_answer(error.status_code, CODES.get(error.status_code, InvalidRequest.code), str(error.detail))


def _allowed_methods(request: Request) -> list[str]:
    taken = {
        method
        for method in METHODS
        for route in request.app.routes
        if route.matches({**request.scope, "method": method})[0] is Match.FULL
    }
    return sorted(taken | {"OPTIONS"} | ({"HEAD"} if "GET" in taken else set()))


def install_errors(app: FastAPI) -> None:
    """Answer every error of this app's routes in the form of `error_answer`."""
    app.add_exception_handler(TallystickError, _tallystick_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http_error)
