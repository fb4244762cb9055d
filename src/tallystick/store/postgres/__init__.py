"""The store on a PostgreSQL server, which any number of processes share."""

from tallystick.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
