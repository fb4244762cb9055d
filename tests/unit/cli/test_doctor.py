"""`tallystick doctor`: of a running server, of a folder, and of one that cannot be opened; its exit codes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tallystick.harness.server import ServerProcess
from tests.helpers.commands import end_command, run_command


def examined(settings: Mapping[str, str], *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and each finding by its check."""
    code, out, err = end_command(settings, "doctor", "--json", *arguments)
    assert out, err
    found = json.loads(out)
    assert code == ["ok", "warn", "fail"].index(found["level"])
    return code, {finding["check"]: finding for finding in found["findings"]}


def test_a_folder_and_its_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data, {"TALLYSTICK_ALLOW_WEAK_DURABILITY": "true"}) as server:
        _, running = examined({}, "--url", server.url)
        code, out, _ = end_command({}, "doctor", "--url", server.url)
        assert "weak settings" in out
        assert "→ unset what is not meant" in out
        assert code > 0
        code, out, err = end_command({}, "doctor", "--data", str(data))
        assert (code, out) == (2, "")
        assert "another Tallystick process holds" in err
        server.stop()
    assert running["weak settings"]["level"] == "warn", "the server's own settings"
    assert running["server's clock"]["level"] == "ok"
    assert running["last verify"]["level"] == "warn"
    run_command({}, "verify", "--data", str(data))
    _, stopped = examined({}, "--data", str(data))
    assert stopped["weak settings"]["level"] == "ok", "those of this shell"
    assert stopped["last verify"]["level"] == "ok"
    assert stopped["books"]["level"] == stopped["durability"]["level"] == stopped["permissions"]["level"] == "ok"
    assert "server's clock" not in stopped


def test_a_site_with_nearly_as_many_names_as_it_may_have(tmp_path: Path) -> None:
    """G5: what the server counted, a restart and the doctor know."""
    quota = {"TALLYSTICK_QUOTA_SITE_NAMES": "10"}
    with ServerProcess(tmp_path / "data", quota) as server:
        with closing(server.api()) as api:
            api.post("/v1/events", [{"name": f"order {number}"} for number in range(8)])
        server.stop()
    _, found = examined(quota, "--data", str(tmp_path / "data"))
    assert found["event names"]["level"] == "warn"
    assert "default has 8;" in found["event names"]["message"]


def test_a_queue_that_cannot_be_opened(tmp_path: Path) -> None:
    """The rest is said all the same."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "queue.sqlite").write_bytes(b"no database, but longer than a header" * 100)
    code, found = examined({}, "--data", str(data))
    assert code == 2
    assert found["queue and store"]["level"] == "fail"
    assert {"disk", "keys", "memory"} <= found.keys()


def test_no_folder(tmp_path: Path) -> None:
    code, out, err = end_command({}, "doctor", "--data", str(tmp_path / "none"))
    assert (code, out) == (2, "")
    assert f"there is no data folder {tmp_path}/none" in err
