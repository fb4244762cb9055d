"""APIs of other systems that Tallystick speaks, so that their clients only change the host. One module for each API."""

from __future__ import annotations

from typing import Any

from starlette.routing import BaseRoute

from tallystick.dialects import analytics_backend, eventflux, fast_worker, smolhog
from tallystick.dialects.base import Dialect, Speaks, Takes, WriteRoutes

__all__ = ["ALL", "Speaks", "Takes", "openapi", "read_routes", "spelled", "write_routes"]

ALL: list[Dialect] = [smolhog, eventflux, fast_worker.DIALECT, analytics_backend.DIALECT]
"""All dialects. To add one, write its module and list it here."""


def write_routes(ctx: Takes) -> WriteRoutes:
    """`(method, path)` → raw ASGI callable, of all dialects. Raises ValueError when two have the same route."""
    routes: WriteRoutes = {}
    for dialect in ALL:
        own = dialect.write_routes(ctx)
        if taken := routes.keys() & own.keys():
            raise ValueError(f"two dialects answer {sorted(taken)}")
        routes |= own
    return routes


_SLASHED = frozenset(path for dialect in ALL for path in dialect.SPELLINGS.paths if path != "/")
_ANY_CASE = frozenset(path for dialect in ALL if dialect.SPELLINGS.any_case for path in dialect.SPELLINGS.paths)


def spelled(path: str) -> str:
    """The path as its route has it, where a dialect's own server takes this spelling of it, too; else as it is."""
    bare = path[:-1] if path.endswith("/") else path
    if bare in _SLASHED:
        return bare
    return small if (small := bare.lower()) in _ANY_CASE else path


def read_routes(ctx: Speaks) -> list[BaseRoute]:
    """The read routes of all dialects."""
    return [route for dialect in ALL for route in dialect.read_routes(ctx)]


def openapi() -> tuple[dict[str, Any], dict[str, Any]]:
    """`(paths, schemas)` of all dialects, for the OpenAPI document."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {}
    for dialect in ALL:
        own_paths, own_schemas = dialect.openapi()
        paths |= own_paths
        schemas |= own_schemas
    return paths, schemas
