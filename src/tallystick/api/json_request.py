"""A request's JSON, read as the write routes read theirs: UTF-8 and what RFC 8259 has, nothing that Python adds.

FastAPI's own reading takes UTF-16, NaN and halves of surrogate pairs. A half in a filter cannot be encoded for the
store, and a body under a Content-Encoding would be read as if it had none.
"""

from __future__ import annotations

import json
from typing import Any, NoReturn

from fastapi import Request

from tallystick.errors import InvalidRequest, UnsupportedEncoding


class JsonRequest(Request):
    """Starlette's request with a strict `json()`."""

    async def json(self) -> Any:
        """The body's value.

        Raises:
            InvalidRequest: it is JSON for Python only, or holds half a surrogate pair or a number that is too long.
            json.JSONDecodeError: it is no JSON.
            RecursionError: it is nested too deep.
            UnicodeDecodeError: it is not UTF-8.
            UnsupportedEncoding: it has a Content-Encoding.
        """
        if self.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise UnsupportedEncoding("this route takes no Content-Encoding: send the body as it is")
        text = (await self.body()).decode("utf-8-sig")
        try:
            value = json.loads(text, parse_constant=_refuse)
            if "\\u" in text:
                json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError as error:
            raise InvalidRequest("the body holds half a surrogate pair") from error
        except json.JSONDecodeError:
            raise
        except ValueError as error:  # Python converts no text of more than 4,300 digits
            raise InvalidRequest("the body holds a number of too many digits") from error
        return value


def _refuse(constant: str) -> NoReturn:
    raise InvalidRequest(f"the body is not JSON: {constant} is no number there")
