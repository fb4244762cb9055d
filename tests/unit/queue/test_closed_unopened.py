"""A queue that never opened can be closed: a start that failed ends with its own error, and not with another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tallystick.config import Settings
from tallystick.queue import make_queue
from tests.servers.process import free_port


@pytest.mark.parametrize("scheme", ["sqlite", "redis", "amqp", "kafka"])
async def test_closing_what_never_opened(scheme: str, tmp_path: Path) -> None:
    address = "" if scheme == "sqlite" else f"{scheme}://127.0.0.1:{free_port()}"
    await make_queue(Settings(data=tmp_path, queue_url=address)).close()
