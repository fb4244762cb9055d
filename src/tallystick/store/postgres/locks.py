"""Advisory locks between processes, in the order in which a transaction takes several of them."""

from __future__ import annotations

SPACE = 0x52554E4C
"""First number of each lock: `RUNL`, a historical name that processes of every version share."""
MIGRATE = 1
"""Held while the schema is migrated."""
HOUSEKEEPING = 2
"""Held by the one process that compacts, sweeps or purges."""
WRITING = 3
"""Shared by batches that are being written; exclusive for a purge."""
PARTITIONS = 4
"""Held while partitions are created or dropped."""
REBUILD = 5
"""Held while recent_ids is rebuilt."""
IDENTITIES = 7
"""Held by a batch from when it changes `identities` until it commits; taken while WRITING is held."""
LIBRARY = 6
"""Held while a report, a board or a share link is changed; no other lock is taken meanwhile."""

LOCK = "SELECT pg_advisory_xact_lock($1, $2)"
TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1, $2)"
