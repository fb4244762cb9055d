"""Tallystick: self-hosted event analytics. Events in over HTTP, exact answers out."""

__version__: str


def __getattr__(name: str) -> str:
    """`__version__`, read when it is asked for: finding it takes as long as starting Python."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("tallystick")
