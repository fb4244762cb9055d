"""Advisory locks between processes, in the order in which a transaction takes them."""

from __future__ import annotations

SPACE = 0x52554E4C
"""First key of each lock: `RUNL`, a historical name that processes of all versions share."""
MIGRATE = 1
"""Held while the schema is migrated."""
HOUSEKEEPING = 2
"""Held by the one process that compacts, sweeps or purges."""
WRITING = 3
"""Shared by transactions that write a batch; exclusive for a purge."""
PARTITIONS = 4
"""Held while partitions are created or dropped."""
REBUILD = 5
"""Held while recent_ids is rebuilt."""
IDENTITIES = 7
"""Held from a batch's first change of `identities` until its commit; taken while WRITING is held."""
LIBRARY = 6
"""Held while a report, board or share link changes; its transaction takes no other lock."""

LOCK = "SELECT pg_advisory_xact_lock($1, $2)"
TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1, $2)"
