"""The HTTP client with which commands talk to a running server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from tallystick.config import SERVER
from tallystick.errors import ConfigError, TallystickError, Unavailable
from tallystick.invocation import invocation

READ_TIMEOUT, CONNECT_TIMEOUT = 60.0, 5.0
"""Seconds."""
TIMEOUT = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


NEEDS_KEY = "name the file that holds it with --key-file, or set TALLYSTICK_KEY_FILE or TALLYSTICK_KEY"
_NO_TLS = ("WRONG_VERSION_NUMBER", "WRONG VERSION NUMBER", "RECORD_LAYER_FAILURE", "RECORD LAYER FAILURE")
"""What OpenSSL says when the other side answers in plain text."""


class Refused(TallystickError):
    """The server refused the request."""

    def __init__(self, message: str, status: int, retry_after: float | None, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.wait = retry_after
        self.body = body


class Answer(NamedTuple):
    """An answer's bytes, and from when it has events where it says so in a header."""

    body: bytes
    events_from: str


class ServerClient:
    """An HTTP client of one server. Use it with `async with`. When there is a key, every request carries it.

    Every method raises Unavailable when the server cannot be reached or the connection breaks, and Refused with the
    server's own message when it answers with an error.
    """

    def __init__(
        self, url: str, transport: httpx.AsyncBaseTransport | None = None, key: SecretStr | None = None
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"--url (or TALLYSTICK_URL): {url!r} is not an address such as {SERVER}")
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {key.get_secret_value()}"} if key and key.get_secret_value() else None
        # A proxy that the environment names must not be used for a server on this machine. `verify` is off without TLS:
        # there is no certificate to verify, and loading those of all authorities takes 40 ms.
        self._client = httpx.AsyncClient(
            base_url=self.url,
            timeout=TIMEOUT,
            transport=transport,
            headers=headers,
            trust_env=parts.hostname not in LOOPBACK,
            verify=parts.scheme == "https",
        )

    async def __aenter__(self) -> ServerClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def get(self, path: str, **parameters: str | int) -> Any:
        """The JSON answer of a GET."""
        return (await self._send(self._client.build_request("GET", path, params=parameters))).json()

    async def post(self, path: str, body: object) -> Any:
        """The JSON answer of a POST with a JSON body."""
        return (await self._send(self._client.build_request("POST", path, json=body))).json()

    async def post_json(self, path: str, body: object, **parameters: str) -> Answer:
        """The answer to a POST with a JSON body: JSON or a file."""
        answer = await self._send(self._client.build_request("POST", path, json=body, params=parameters))
        return Answer(answer.content, answer.headers.get("x-tallystick-events-from", ""))

    async def post_patiently(self, path: str, body: object, patience: float) -> bytes:
        """The bytes of the answer to a POST with a JSON body, which may take `patience` seconds."""
        timeout = httpx.Timeout(patience, connect=CONNECT_TIMEOUT)
        return (await self._send(self._client.build_request("POST", path, json=body, timeout=timeout))).content

    async def delete(self, path: str, *, patience: float = READ_TIMEOUT, **parameters: str) -> bytes:
        """The bytes of the answer to a DELETE, which may take `patience` seconds."""
        timeout = httpx.Timeout(patience, connect=CONNECT_TIMEOUT)
        return (
            await self._send(self._client.build_request("DELETE", path, params=parameters, timeout=timeout))
        ).content

    async def post_bytes(self, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
        """The JSON answer of a POST of these bytes."""
        return (await self._send(self._client.build_request("POST", path, content=body, headers=headers))).json()

    async def stream(
        self, path: str, parameters: Sequence[tuple[str, str]], begun: Callable[[int], None] = lambda _: None
    ) -> AsyncGenerator[bytes, None]:
        """The body of a GET, piece by piece.

        Args:
            begun: is told how many bytes will come, before they do; 0: the server does not say.
        """
        try:
            async with self._client.stream("GET", path, params=httpx.QueryParams(tuple(parameters))) as answer:
                if answer.status_code >= 400:
                    await answer.aread()
                    raise _refused(answer)
                begun(int(answer.headers.get("content-length", 0)))
                async for piece in answer.aiter_bytes():
                    yield piece
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    async def _send(self, request: httpx.Request) -> httpx.Response:
        try:
            answer = await self._client.send(request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if answer.status_code >= 400:
            raise _refused(answer)
        return answer

    def _unreachable(self, error: Exception) -> Unavailable:
        told = str(error).upper()
        if self.url.startswith("https:") and any(sign in told for sign in _NO_TLS):
            return Unavailable(
                f"{self.url}: the server there speaks HTTP without TLS: write http:// in place of https://"
            )
        if isinstance(error, httpx.RemoteProtocolError) and "ILLEGAL" in told:
            return Unavailable(f"{self.url}: what answers there is no HTTP server without TLS: is it https://?")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return Unavailable(f"cannot reach {self.url}: is the server running there? {_otherwise()}")
        return Unavailable(f"{self.url}: {str(error) or type(error).__name__}")


def _otherwise() -> str:
    return (
        f"`{invocation()} up` starts one; --url or TALLYSTICK_URL names another; most commands open a stopped one's "
        "folder with --data"
    )


def _refused(answer: httpx.Response) -> Refused:
    try:
        message = str(answer.json()["error"]["message"])
        if answer.status_code == 401 and "authorization" not in answer.request.headers:
            message = f"{message.partition(': ')[0]}: {NEEDS_KEY}"
    except (ValueError, KeyError, TypeError):
        message = f"{answer.request.method} {answer.request.url.path}: status {answer.status_code}"
    try:
        wait = float(answer.headers["retry-after"])
    except (KeyError, ValueError):
        wait = None
    return Refused(message, answer.status_code, wait, answer.content)
