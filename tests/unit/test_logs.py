"""Log lines hold no terminal codes but for the colours of a terminal."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tallystick import logs
from tallystick.config import Settings

ESCAPE = "\x1b"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers, root.level
    yield
    root.handlers, root.level = before
    structlog.reset_defaults()


def lines(out: io.StringIO, **given: str) -> list[str]:
    """What one line of uvicorn's and one with a client's text look like."""
    logs.configure(Settings(**given), out)  # type: ignore[arg-type]
    logging.getLogger("uvicorn.error").info(
        "Started [%d]", 7, extra={"color_message": f"Started [{ESCAPE}[36m%d{ESCAPE}[0m]"}
    )
    logs.logger("test").info("refused", agent=f"{ESCAPE}[2Jcurl\n")
    return out.getvalue().splitlines()


def test_json_lines_have_no_second_message() -> None:
    started, refused = map(json.loads, lines(io.StringIO(), log_format="json"))
    assert "color_message" not in started
    assert started["event"] == "Started [7]"
    assert refused["agent"] == f"{ESCAPE}[2Jcurl\n"


def test_no_colours_where_standard_error_is_no_terminal() -> None:
    found = lines(io.StringIO(), log_format="console")
    assert len(found) == 2
    assert not any(ESCAPE in line for line in found)


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_none_are_wanted(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert not any(ESCAPE in line for line in lines(Terminal()))


def test_a_clients_text_cannot_control_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    found = lines(Terminal())
    assert any(ESCAPE in line for line in found)
    assert not any(f"{ESCAPE}[2J" in line for line in found)
    assert "\\x1b[2Jcurl\\n" in found[1]
