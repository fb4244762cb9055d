"""Tallystick: self-hosted event analytics. Events in over HTTP, exact answers out."""

from importlib.metadata import version

__version__ = version("tallystick")
