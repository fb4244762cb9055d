"""What SmolHog and EventFlux share: errors in the form that FastAPI gives them, `{"detail": …}`.

A body that the fast decoder takes is right. One that it does not take is read again with the pydantic models that such
an API is written with, so that the answer names every wrong field as FastAPI would: `loc`, `msg`, `type`. The input is
not echoed: a refusal must not be larger than what it refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn, TypeVar

import msgspec
from pydantic import BaseModel, ValidationError

from tallystick.dialects.base import Refused
from tallystick.ingest.normalise import Rejected

DETAILS_MAX = 100
"""Most errors in one answer."""

Model = TypeVar("Model", bound=BaseModel)


def error_form(message: str) -> dict[str, Any]:
    return {"detail": message}


def detail(kind: str, loc: tuple[str | int, ...], message: str) -> dict[str, Any]:
    """One entry of a `detail` list."""
    return {"type": kind, "loc": loc, "msg": message}


def refuse_validation(error: ValidationError, where: str) -> NoReturn:
    """Raises Refused: 422 with pydantic's errors. `where` is `body` or `query`."""
    errors = error.errors(include_url=False, include_context=False, include_input=False)
    entries = [detail(e["type"], (where, *e["loc"]), e["msg"]) for e in errors[:DETAILS_MAX]]
    raise Refused(422, {"detail": entries}) from error


def refuse_event(error: Rejected, index: int, field: str) -> NoReturn:
    """Raises Refused: 422 for a rule of Tallystick's that this field of the event at `index` breaks."""
    raise Refused(422, {"detail": [detail("value_error", ("body", "events", index, field), error.message)]}) from error


def check_body(body: bytes, shape: type[Model]) -> Model:
    """The body as a pydantic model. Raises Refused: 422 with what is wrong."""
    try:
        content = msgspec.json.decode(body)
    except RecursionError as error:
        raise Refused(422, {"detail": [detail("json_invalid", ("body",), "JSON is nested too deeply")]}) from error
    except msgspec.DecodeError as error:
        raise Refused(422, {"detail": [detail("json_invalid", ("body",), f"JSON decode error: {error}")]}) from error
    try:
        return shape.model_validate(content)
    except ValidationError as error:
        refuse_validation(error, "body")


def check_params(params: Mapping[str, str], shape: type[Model]) -> Model:
    """The query parameters as a pydantic model. Raises Refused: 422 with what is wrong."""
    try:
        return shape.model_validate(dict(params))
    except ValidationError as error:
        refuse_validation(error, "query")
