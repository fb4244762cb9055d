"""Commands that are imported when they run: `--help` and a mistyped command need none of them.

All of them together take half a second of a core to import, because they bring the store and the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command_from_info, get_group


class Entry(NamedTuple):
    """Where a command is.

    Attributes:
        module: its module in `tallystick.cli`.
        function: the function that runs it, or the Typer of its group.
        summary: the first line of its help, for the list of commands; a test compares the two.
        epilog: the name of the examples' text in that module.
    """

    module: str
    function: str
    summary: str
    epilog: str = ""


ENTRIES = {
    "up": Entry(
        "up", "up", "Start the server: ingest, queue, worker, store and query API in one process.", "UP_EPILOG"
    ),
    "ingest": Entry(
        "processes",
        "ingest",
        "Accept events over HTTP and put them into a queue that several processes share.",
        "INGEST_EPILOG",
    ),
    "work": Entry(
        "processes",
        "work",
        "Load events from a queue into a store that several processes share; any number of workers may run.",
        "WORK_EPILOG",
    ),
    "serve": Entry("processes", "serve", "Answer queries from a store that several processes share.", "SERVE_EPILOG"),
    "key": Entry("key", "key", "Make a random key. It is printed once and not stored.", "EPILOG"),
    "keys": Entry("access.keys", "app", "Keys made while the server runs: create, list, quota, revoke."),
    "sites": Entry("access.sites", "app", "Sites that keys and roles may name: add, list, remove."),
    "users": Entry(
        "access.users",
        "app",
        "Accounts of persons who log in: add, list, remove, roles, a link for a new password.",
    ),
    "audit": Entry(
        "access.users", "audit", "Show who changed sites, keys and accounts, the newest first.", "AUDIT_EPILOG"
    ),
    "migrate": Entry("up", "migrate", "Bring the store's schema up to date.", "MIGRATE_EPILOG"),
    "verify": Entry("verify", "verify", "Check that no event was lost or counted twice.", "EPILOG"),
    "doctor": Entry(
        "doctor", "doctor", "Look at settings, machine, queue and store, and say what to change.", "EPILOG"
    ),
    "dead": Entry("dead", "app", "Events that the store could not take: list, show, replay, drop."),
    "rollups": Entry(
        "rollups", "app", "Counts per quarter hour that answer most queries: count them again from the raw events."
    ),
    "identity": Entry("identity", "app", "Ids that belong to one person: take them apart."),
    "erase": Entry(
        "erasing",
        "erase",
        "Erase a person: all events of all joined ids, for good. Counts first, then asks.",
        "EPILOG",
    ),
    "erasures": Entry(
        "erasing", "erasures", "List the receipts of erased persons, the last one first.", "RECEIPTS_EPILOG"
    ),
    "retention": Entry("retention", "app", "For how long events of single sites are kept: show, set, clear."),
    "recover": Entry(
        "recover.command",
        "app",
        "Repair a damaged file while no server runs: what can be read is kept, the rest is counted, the damaged file "
        "stays.",
    ),
    "move": Entry(
        "move",
        "move",
        "Carry a whole store into another one: events, persons, dead letters, reports, boards, share links, the "
        "ledger.",
        "EPILOG",
    ),
    "backup": Entry(
        "backup",
        "backup",
        "Write queue, store, boards and accounts of one moment into one file, while the server runs, and read it back.",
        "EPILOG",
    ),
    "restore": Entry("restore", "restore", "Make a data folder out of a backup, and verify it.", "EPILOG"),
    "report": Entry("ask.report", "app", "Saved reports: list, show, run."),
    "share": Entry("ask.report", "shares", "Links that show a board: list, revoke."),
    "import": Entry(
        "importing.command",
        "import_",
        "Import events from a file: NDJSON, CSV, Parquet, an access log, another system's export. List or undo "
        "imports.",
        "EPILOG",
    ),
    "export": Entry("export", "export", "Write events to a file or to standard output, oldest first.", "EPILOG"),
    "query": Entry(
        "ask.query",
        "query",
        "Query a running server: events and users over time, broken down, compared; or any query as JSON.",
        "EPILOG",
    ),
    "sql": Entry(
        "ask.sql",
        "sql",
        "Query a running server in SQL: one SELECT over the views events, sessions and users.",
        "EPILOG",
    ),
    "sql-role": Entry(
        "sql_role",
        "sql_role",
        "Print the SQL that creates the role which runs users' statements on PostgreSQL or ClickHouse.",
        "EPILOG",
    ),
    "demo": Entry(
        "demo.command",
        "demo",
        "Send realistic events to a running server: those of the last --days, or new ones until Ctrl-C.",
        "EPILOG",
    ),
    "bench": Entry(
        "bench.command",
        "app",
        "Measure events per second, acknowledgement times, memory and disk; `query` and `dedupe` measure the store.",
    ),
}


def load(name: str) -> Any:
    """The command `name` (of a type that typer does not export), its module imported.

    Raises:
        KeyError: there is no such command.
    """
    entry = ENTRIES[name]
    module = import_module(f"tallystick.cli.{entry.module}")
    found = getattr(module, entry.function)
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    one = typer.Typer()
    one.command(name, epilog=getattr(module, entry.epilog))(found)
    return get_command_from_info(one.registered_commands[0], pretty_exceptions_short=False, rich_markup_mode="rich")


class _Loaded(MutableMapping[str, Any]):
    """The commands by name, each loaded when it is read."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] = {}
        self.plain = False
        """Whether help is written without frames and colours."""

    def __getitem__(self, name: str) -> Any:
        if name not in self._loaded:
            self._loaded[name] = load(name)
            if self.plain:
                in_plain_text(self._loaded[name])
        return self._loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(ENTRIES)

    def __len__(self) -> int:
        return len(ENTRIES)


class Commands(TyperGroup):
    """The group of all commands."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**{**given, "commands": {}})
        self.all = _Loaded()
        self.commands = self.all
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        return list(ENTRIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in ENTRIES:
            return None
        if self._listing:
            return TyperCommand(name=cmd_name, help=ENTRIES[cmd_name].summary)
        return self.all[cmd_name]

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The list of the commands shows their summaries only, so none is imported."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False


# --- help without a terminal ----------------------------------------------------------------------------------------

_MARKUP = re.compile(r"(?<!\\)\[/?[a-z ]*\]")
_AS_IT_IS = "\b\n"
"""Stands before a paragraph whose lines are not to be wrapped."""


def in_plain_text(command: Any) -> None:
    """Make a command, and the commands below it, write their help without frames and colours, for pipes and files."""
    command.rich_markup_mode = None
    command.help = _plain(command.help)
    command.epilog = _plain(command.epilog)
    for parameter in command.params:
        parameter.help = _plain(parameter.help)
    if isinstance(command, Commands):
        command.all.plain = True
        return
    for below in getattr(command, "commands", {}).values():
        in_plain_text(below)


def _plain(text: str | None) -> str | None:
    if text is None:
        return None
    paragraphs = _MARKUP.sub("", text).replace("\\[", "[").split("\n\n")
    return "\n\n".join(_AS_IT_IS + part if part.startswith("  ") else part for part in paragraphs)
