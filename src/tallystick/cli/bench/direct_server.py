"""A server for one comparison only: it writes events directly into the store while their sender waits."""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from tallystick.config import Settings
from tallystick.ingest.app import ROUTE, Ingest, NativeEvents, new_request_id, reply
from tallystick.ingest.publisher import Publisher
from tallystick.metrics import Metrics
from tallystick.model.block import Block
from tallystick.queue.memory import MemoryQueue
from tallystick.store import Store, make_store


class _StoreAsQueue(MemoryQueue):
    """`publish` returns once the store has committed; nothing is ever queued."""

    durability = "store"

    def __init__(self, settings: Settings, store: Store) -> None:
        super().__init__(settings)
        self._store = store

    async def publish(self, blocks: Sequence[Block]) -> None:
        await self._store.write(blocks)


async def _serve(settings: Settings, listener: socket.socket) -> None:
    store, metrics = make_store(settings), Metrics()
    await store.open()
    await store.migrate()
    publisher = Publisher(_StoreAsQueue(settings, store), settings, metrics)
    publishing = asyncio.create_task(publisher.run())
    write = NativeEvents(Ingest(settings, publisher, metrics))
    config = uvicorn.Config(
        _app(write),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_keep_alive=75,
    )
    print(f"ready on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    await uvicorn.Server(config).serve([listener])
    publisher.stop()
    await publishing
    await store.close()


def _app(write: ASGIApp) -> ASGIApp:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == ROUTE:
            await write(scope, receive, send)
        else:
            await reply(send, 200, b"{}", new_request_id())

    return app


def main() -> None:
    """Run the server. Takes the arguments `up --host ADDRESS --port 0`, as `tallystick` does."""
    parser = argparse.ArgumentParser()
    parser.add_argument("command")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    given = parser.parse_args()
    with socket.create_server((given.host, given.port)) as listener:
        asyncio.run(_serve(Settings(), listener))
