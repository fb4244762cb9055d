"""Access logs of web servers in the combined format (nginx's default, Apache's `combined` and `vhost_combined`).

A log has no cookies, so a visitor is the client's address and browser on one UTC day, as for the snippet. The address
itself is not sent. A request for a page that was answered is a `page_view`, every other request is a `request`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlsplit

from tallystick.address import household, parse_address
from tallystick.cli.importing.presets.base import PAGE_VIEW, Imported
from tallystick.errors import ConfigError
from tallystick.ingest.enrich.agent import Properties, is_browser
from tallystick.ingest.enrich.visitor import visitor_id

REQUEST = "request"
"""Name of the events of requests that are no page views."""
KEY_BYTES = 32
KEY_FILE = "visitor-key"

_QUOTED = r'"(?P<{}>(?:[^"\\]|\\.)*)"'
_LINE = re.compile(
    r"(?:(?P<host>[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\]):(?P<port>\d+) )?"  # vhost_combined
    r"(?P<address>\S+) \S+ (?P<user>\S+(?: \S+)*?) "
    r"\[(?P<time>[^\]]+)\] "
    + _QUOTED.format("request")
    + r" (?P<status>\d{3}|-) (?P<size>\d+|-)"
    + rf"(?: {_QUOTED.format('referrer')} {_QUOTED.format('agent')})?"
    + r"(?P<rest>.*)"
)
_TIME = re.compile(r"(\d{1,2})/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d) ([+-])(\d\d)(\d\d)")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|(.))")
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "v": "\v", "b": "\b"}
_STATIC = frozenset(
    re.split(
        r"\s+",
        "7z avi avif bmp bz2 css cur doc docx eot flac gif gz ico jar jpeg jpg js json jsonld m4a m4v map mjs mov mp3 "
        "mp4 mpeg ogg ogv otf pdf png ppt pptx rar rss svg swf tar tgz tif tiff ttf txt wasm wav webm webmanifest webp "
        "woff woff2 xls xlsx xml xz zip zst",
    )
)
"""Endings of files that are no pages."""


class NotALogLine(ValueError):
    """The line is not in the combined format; the message says why."""


class AccessLog:
    """Turns the lines of an access log into events."""

    def __init__(self, key: bytes, host: str | None, agents: Callable[[str], Properties]) -> None:
        """
        Args:
            key: of the hash that makes a visitor's id of an address. The same key gives a visitor the same id.
            host: the site's host name, for logs whose lines do not have it.
            agents: gives the properties of a User-Agent.
        """
        self._key = key
        self._host = host
        self._agents = agents

    def event(self, line: str) -> Imported:
        """The event of one line.

        Raises:
            NotALogLine: it is not in the combined format.
        """
        found = _LINE.fullmatch(line.strip())
        if found is None:
            raise NotALogLine("is no line of the combined log format")
        at = _time(found["time"])
        method, target = _request(_unescaped(found["request"]))
        agent = _given(found["agent"])
        status = int(found["status"]) if found["status"] != "-" else None
        host = found["host"] or self._host
        parts = _split(target)
        event = Imported(
            name=PAGE_VIEW if parts and _is_page(method, parts[1], status) else REQUEST,
            timestamp=at.isoformat(),
            user_id=_given(found["user"]) or self._visitor(found["address"], agent, at, host),
            source="access_log",
        )
        if parts:
            own = parts[0] or host
            # Without a host a name stands for it that is not sent: only path and campaign are read.
            url = f"https://{own or 'localhost'}{parts[1]}{parts[2]}"
            event.put_page(url, _given(found["referrer"]), host_known=own is not None)
        else:
            event.put("request", _unescaped(found["request"])[:200])
        event.put("method", method)
        event.put("status", status)
        event.put("bytes", int(found["size"]) if found["size"] != "-" else None)
        self._put_agent(event, agent)
        return event

    def _put_agent(self, event: Imported, agent: str | None) -> None:
        for name, value in self._agents(agent or "").items():
            event.put(name, value)
        if not agent or not is_browser(agent):
            event.put("$bot", True)  # every browser sends a User-Agent that begins with Mozilla/ or Opera/

    def _visitor(self, address: str, agent: str | None, at: datetime, host: str | None) -> str:
        parsed = parse_address(address)
        day = at.astimezone(UTC).date().isoformat()
        return visitor_id(self._key, f"{host or ''}\0{day}", household(parsed) if parsed else address, agent or "")


def read_key(folder: Path) -> bytes:
    """The key of the visitors' ids, made at the first use. Only its owner can read its file.

    Raises:
        ConfigError: the folder cannot be written, or the file is damaged.
    """
    file = folder / KEY_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            draft = folder / f".{KEY_FILE}.{secrets.token_hex(8)}"
            try:
                with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                    opened.write(secrets.token_bytes(KEY_BYTES))
                os.link(draft, file)
            finally:
                draft.unlink(missing_ok=True)
        key = file.read_bytes()
    except OSError as error:
        raise ConfigError(f"the key of the visitors' ids cannot be kept in {file}: {error.strerror or error}") from None
    if len(key) != KEY_BYTES:
        raise ConfigError(f"{file} is damaged: delete it, and visitors get new ids from now on")
    return key


@lru_cache(4096)
def _time(written: str) -> datetime:
    found = _TIME.fullmatch(written)
    if found is None or found[2] not in _MONTHS:
        raise NotALogLine(f"has no time of the form 28/Nov/2026:21:59:05 +0000 but {written[:64]!r}")
    day, _, year, hour, minute, second, sign, hours, minutes = found.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        return datetime(
            int(year), _MONTHS[found[2]], int(day), int(hour), int(minute), min(int(second), 59), tzinfo=zone
        )
    except ValueError as error:
        raise NotALogLine(f"has a time that does not exist: {written[:64]!r}") from error


def _given(value: str | None) -> str | None:
    return None if value is None or value in ("-", "") else _unescaped(value)


def _unescaped(value: str) -> str:
    r"""The text without the escapes of web servers: `\"`, `\\`, `\xhh` (bytes of UTF-8)."""
    if "\\" not in value:
        return value
    raw = _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _SHORT.get(found[2], found[2]), value)
    try:
        return raw.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return raw


def _request(request: str) -> tuple[str | None, str | None]:
    """Method and target of a request line; None for what is no HTTP."""
    parts = request.split(" ")
    if len(parts) >= 2 and parts[0].isascii() and parts[0].isalpha() and parts[0].isupper():
        ends = len(parts) - 1 if parts[-1].startswith("HTTP/") else len(parts)
        return parts[0], " ".join(parts[1:ends])
    return None, None


def _split(target: str | None) -> tuple[str, str, str] | None:
    """Host (empty in most logs), path and query with its `?`; None when the target has no path."""
    if target is None:
        return None
    try:
        parts = (
            urlsplit(target) if "://" in target[:9] else urlsplit(f"//localhost{target}" if target[:1] == "/" else "")
        )
    except ValueError:
        return None
    if not parts.netloc:
        return None
    host = parts.netloc if parts.scheme else ""
    return host, parts.path or "/", f"?{parts.query}" if parts.query else ""


def _is_page(method: str | None, path: str, status: int | None) -> bool:
    """Whether a request is a view of a page: read and answered (2xx, or 304 from the browser's cache), and no file."""
    name = path.rpartition("/")[2]
    return (
        method == "GET"
        and status is not None
        and (200 <= status < 300 or status == 304)
        and name.rpartition(".")[2].lower() not in (_STATIC if "." in name else ())
    )
