"""The commands of the documents that no test of the documents runs, each with its reason."""

PAGES_NOT_RUN = {
    "docs/build/benchmarks.md": "measures for an hour; tests/unit/cli/test_bench_commands.py runs each command small",
    "docs/use/migrating.md": "needs four other systems' databases: tests/dialects/test_migrating.py runs all of it",
    "docs/run/packages.md": "builds packages for minutes: tests/packaging does",
    "docs/run/growing.md": "needs PostgreSQL and Redis: test_move.py of tests/conformance/store and tests/unit/cli do",
    "docs/run/access.md": "prints random links, and begins a server for all addresses: tests/unit/cli/test_access.py",
    "docs/run/deployment.md": "needs Docker, or several machines: .ci and tests/faults start the roles",
}
"""Whole pages, with the reason."""

CONTAINERS = "needs Docker and another system's containers"
FOREIGN = "asks another system, which is not here"
SERVER = "is a second server, or one with other settings; the page's server runs already"
FILE_NOT_HERE = "needs a file that the page does not have"
DAMAGE = "needs a damaged file or store: tests/faults and tests/unit/cli damage one and repair it"
LANGUAGE = "needs the language, which a machine that runs the tests need not have; it was run by hand"
NOT_RUN = [
    ("README.md", "make run", "makes .venv; the page's server runs already"),
    ("docs/run/operations.md", "up --data /var/lib/tallystick", SERVER),
    ("docs/run/operations.md", "phone-4711", "needs the log of a server that refused an event: tests/unit/ingest"),
    ("docs/run/operations.md", "receipts/74bd8ea3a8ea82f0-1", "the same"),
    ("docs/run/operations.md", "verify --data half", DAMAGE),
    ("docs/run/operations.md", "rollups rebuild --data", DAMAGE),
    ("docs/run/operations.md", "verify --data /var/lib/tallystick", DAMAGE),
    ("docs/run/operations.md", "dead show 1", DAMAGE),
    ("docs/run/operations.md", "dead replay 1", DAMAGE),
    ("docs/run/operations.md", "dead drop 1", DAMAGE),
    ("docs/run/operations.md", "up --data tallystick", DAMAGE),
    ("docs/run/operations.md", "recover queue", DAMAGE),
    ("docs/run/operations.md", "recover store", DAMAGE),
    ("docs/run/operations.md", "import flights.csv", FILE_NOT_HERE),
    (
        "docs/run/operations.md",
        "--undo e5a0ddaaafba674f",
        "the id is another one on every machine: test_import_undo.py",
    ),
    ("docs/run/reverse-proxy.md", "tallystick up", SERVER),
    ("docs/use/analyses.md", "curl -N", "a stream without end: tests/api and the oracle read it"),
    ("docs/use/dialects.md", "TALLYSTICK_READ_ORIGINS=", SERVER),
    ("docs/use/http-api.md", "X-API-Key: wk_6xJq…", "needs a server with keys: tests/api has them"),
    ("docs/use/import.md", "docker compose exec plausible_events_db", CONTAINERS),
    ("docs/use/import.md", "matomo.example", FOREIGN),
    ("docs/use/import.md", "bq extract", FOREIGN),
    ("docs/use/quickstart.md", "node --input", LANGUAGE),
    ("docs/use/quickstart.md", "go run event.go", LANGUAGE),
    ("docs/use/quickstart.md", "php <<", LANGUAGE),
    ("docs/use/quickstart.md", "Bearer wk_…", "needs a server with keys: tests/api has them"),
    ("docs/use/sql.md", "TALLYSTICK_SQL=true tallystick up", SERVER),
    ("docs/use/sql.md", "export TALLYSTICK_STORE_URL=", "needs PostgreSQL: tests/attack/sql/test_role.py"),
    ("docs/use/sql.md", "tallystick sql-role", "needs PostgreSQL: tests/attack/sql/test_role.py"),
    ("docs/use/sql.md", "t.pg_sleep", "PostgreSQL's own refusal: tests/unit/usersql and test_sql_doc.py"),
]
"""Page, a part of the command, and the reason."""
