"""The advisory locks that processes share, in the order in which a transaction may take more than one of them."""

from __future__ import annotations

SPACE = 0x52554E4C
"""First number of each lock: `RUNL`."""
MIGRATE = 1
"""Held while the schema is made or changed."""
HOUSEKEEPING = 2
"""Held by the one process that compacts, folds, sweeps or purges."""
WRITING = 3
"""Shared by batches that are being written; a purge holds it alone."""
PARTITIONS = 4
"""Held while partitions are made or dropped."""
REBUILD = 5
"""Held while recent_ids is built anew."""
IDENTITIES = 7
"""Held by a batch from when it changes who is one person until it is committed; it is taken under WRITING."""
LIBRARY = 6
"""Held while a report, a board or a share link is changed; nothing else is taken under it."""

LOCK = "SELECT pg_advisory_xact_lock($1, $2)"
TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1, $2)"
