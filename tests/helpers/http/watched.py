"""A server process under bad input: what each request costs it, and whether others notice."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from tests.faults.rolling import Part
from tests.helpers.http.steps import Answer, Line, NoAnswer, ask, request, resident

MIB = 1024 * 1024
CPU_SECONDS = 0.1
"""Most processor time that one bad request may take."""
MEMORY = 32 * MIB
"""Most bytes by which resident memory may rise while one is answered."""
TRIES = 3
"""The least of so many counts: the same process stores events and looks after its files at times."""


class Watched:
    """A running server, asked for one bad request after the other. A neighbour's connection stays open meanwhile."""

    def __init__(self, part: Part, key: str) -> None:
        self.part = part
        self.url = part.until_ready()
        self._key = f"x-api-key: {key}"
        self._seen = 0
        self._neighbour = Line(self.url)
        self._unharmed()

    def close(self) -> None:
        self._neighbour.close()

    def faults(self, sent: bytes, expected: str, *, head_only: bool = False) -> list[str]:
        """What is wrong with the answer or with the server after it; empty: nothing."""
        cost = ""
        for _ in range(TRIES):
            answer, seconds, grown = self._measured(sent, head_only)
            if isinstance(answer, str):
                return [answer]
            if wrong := unlike(said(answer), expected):
                return [wrong]
            cost = self._cost(seconds, grown)
            if not cost:
                break
        return [wrong for wrong in (cost, self._log(), self._unharmed()) if wrong]

    def answer(self, sent: bytes, *, head_only: bool = False) -> Answer:
        """Its answer alone. Raises NoAnswer."""
        return ask(self.url, sent, head_only=head_only, method=sent.partition(b" ")[0].decode("latin-1"))

    def _measured(self, sent: bytes, head_only: bool) -> tuple[Answer | str, float, int]:
        pid = self.part.process.pid
        _forget_peak(pid)
        seconds, before = cpu(pid), resident(pid)
        try:
            answer: Answer | str = self.answer(sent, head_only=head_only)
        except (NoAnswer, OSError) as error:
            answer = f"no answer: {error}"
        if self.part.process.poll() is not None:
            return f"the process ended: {self.part.output[-2_000:]}", 0, 0
        return answer, cpu(pid) - seconds, _peak(pid) - before

    @staticmethod
    def _cost(seconds: float, grown: int) -> str:
        over = [f"{seconds:.2f} s of CPU"] * (seconds > CPU_SECONDS) + [f"{grown / MIB:.0f} MiB"] * (grown > MEMORY)
        return f"it took {' and '.join(over)}" if over else ""

    def _log(self) -> str:
        """A traceback that was written since the last look."""
        log = self.part.output[self._seen :]
        self._seen += len(log)
        return log[log.index("Traceback") :][:1_500] if "Traceback" in log else ""

    def _unharmed(self) -> str:
        """What another client sees on a connection that was open before."""
        try:
            self._neighbour.send(request("GET", "/v1/values?field=name", self._key))
            answer = self._neighbour.answer()
        except (NoAnswer, OSError) as error:
            return f"another client got no answer: {error}"
        return "" if answer.status == 200 else f"another client got {answer.status}"


def cpu(pid: int) -> float:
    """Processor seconds of the process so far, its ended threads included; in steps of the kernel's clock, 10 ms."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _forget_peak(pid: int) -> None:
    """Let the kernel count the peak of resident memory from now on (proc(5), clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _peak(pid: int) -> int:
    found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    assert found is not None
    return int(found[1]) * 1024


def said(answer: Answer) -> str:
    """An answer in one line, whichever API's form it has: `400 invalid_request: limit: …`, `200: {"rows":[…`."""
    try:
        body: Any = json.loads(answer.body)
    except ValueError:
        return f"{answer.status}: {answer.body[:3_000].decode('utf-8', 'replace')}"
    if answer.status >= 400 and isinstance(body, dict):
        for form in (_own, _fastapi, _details, _plain):
            if found := form(body):
                return f"{answer.status}{found}"
    return f"{answer.status}: {answer.body[:3_000].decode()}"


def _own(body: dict[str, Any]) -> str:
    error = body.get("error")
    return f" {error['code']}: {error['message']}" if isinstance(error, dict) else ""


def _fastapi(body: dict[str, Any]) -> str:
    """SmolHog's and EventFlux's form."""
    detail = body.get("detail")
    if isinstance(detail, str):
        return f": {detail}"
    return f" {detail[0]['type']}: {'.'.join(map(str, detail[0]['loc']))}: {detail[0]['msg']}" if detail else ""


def _details(body: dict[str, Any]) -> str:
    """fast-worker's form."""
    if "success" not in body:
        return ""
    return ": " + ": ".join([body["error"], *(["; ".join(body["details"])] if "details" in body else [])])


def _plain(body: dict[str, Any]) -> str:
    """analytics-backend's form."""
    return f": {body['error']}" if isinstance(body.get("error"), str) else ""


def unlike(got: str, expected: str) -> str:
    """How an answer differs from what is expected of it; empty: it does not.

    Args:
        expected: a status, a code where there is one, and after a colon a part of the sentence.
    """
    head, _, part = expected.partition(": ")
    begins, _, rest = got.partition(": ")
    return "" if head == begins.rstrip(":") and part in rest else f"expected {expected!r}, got {got[:400]!r}"
