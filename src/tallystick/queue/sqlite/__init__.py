"""The queue in a SQLite file, with the checks that find damage to it, and its recovery."""
