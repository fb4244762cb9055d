"""What `scripts/fresh` does: builds bare Debian systems in a temporary folder and runs README's commands in them.

Everything runs in a mount and PID namespace of its own, so no mount and no process outlives a step, however it ends
(tests/unit/scripts/test_fresh_systems.py kills some). The folder goes when the program ends. Only root may do this.
Mirrors, proxies and certificates are this machine's own: they are copied into the systems from its configuration of
apt, pip and npm. Needs Python, debootstrap and git.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

ROOT = Path(__file__).resolve().parent.parent
RELEASES = ("bookworm", "trixie")
"""Debian 12 has Python 3.11 and Node.js 18, which is too old for the dashboard; Debian 13 has 3.13 and 20."""
PACKAGES = "python3,python3-venv,git,make,ca-certificates"
"""All that a newcomer has on a bare Debian."""
USERS = ("user", "root")
NODES = ("without", "with")
LIMIT = 4 * 3600
"""Seconds after which a step has failed; no measure, only an end."""
SKIPPED = 77
READY = "etc/tallystick-ready"
"""Stands in a system that is complete."""
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""For the server in a system, which is on this machine."""
SHORT_PART = "tests/unit/model tests/conformance/queue/test_queue_durability.py"
"""What of the tests runs without `--whole`: some that need no server, and some that start every queue's server."""
ENVIRONMENT = re.compile(
    r"(https?|no|all)_proxy|pip_(index_url|extra_index_url|trusted_host|cert|default_timeout)|npm_config_\w+"
    r"|node_extra_ca_certs|ssl_cert_file|ssl_cert_dir|requests_ca_bundle",
    re.IGNORECASE,
)
"""Variables that say how package registries are reached."""
NAMESPACE = ("setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child=KILL")
"""The end of this program kills unshare, that kills the namespace's first process, and with it the kernel kills all."""
INSIDE = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
system=$1 who=$2
shift 2
# No exec: a process that becomes another user no longer dies with its parent; so the first one stays this shell.
chroot --userspec="$who" "$system" "$@"
exit
"""


Answer = TypeVar("Answer")


class Failed(Exception):
    """A step went wrong; the message says what, with the end of what it printed."""


class NotHere(Exception):
    """This machine may not build bare systems; the message says why."""


@dataclass
class Case:
    """One newcomer: a release of Debian, with or without Node.js, as a user or as root."""

    release: str
    node: str
    user: str
    cells: dict[str, str] = field(default_factory=dict)
    failure: str = ""

    @property
    def name(self) -> str:
        return f"{self.release}, {self.node} Node.js, as {self.user}"


class Done(NamedTuple):
    """A command that ended well: its output, and how long it took in seconds."""

    out: str
    seconds: float


# --- this machine ---------------------------------------------------------------------------------------------------


def assert_allowed() -> None:
    """Raises NotHere."""
    if not sys.platform.startswith("linux"):
        raise NotHere("this is not Linux")
    if os.geteuid() != 0:
        raise NotHere("only root can build a system in a folder")
    needed = {"debootstrap": "debootstrap", "unshare": "util-linux", "setpriv": "util-linux", "git": "git"}
    for program, package in needed.items():
        if shutil.which(program) is None:
            raise NotHere(f"there is no {program}: apt-get install {package}")
    tried = subprocess.run([*NAMESPACE, "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True, text=True)
    if tried.returncode:
        raise NotHere(f"root may not mount here: {tried.stderr.strip()}")
    mirror()


def mirror() -> str:
    """The address that apt here gets Debian's packages from. Raises NotHere."""
    folder = Path("/etc/apt")
    found = ""
    for path in [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]:
        if not path.is_file():
            continue
        for paragraph in re.split(r"\n\s*\n", path.read_text()):
            if path.suffix == ".sources":
                addresses = re.findall(r"^URIs:\s*(\S+)", paragraph, re.MULTILINE)
            else:
                addresses = re.findall(r"^deb\s+(?:\[[^]]*]\s+)?(\S+)", paragraph, re.MULTILINE)
            found = found or next((one for one in addresses if re.search(r"/debian/?$", one)), "")
    if not found:
        raise NotHere("apt's sources here name no mirror of Debian")
    return found


def environment(home: str) -> dict[str, str]:
    """The variables of a fresh login, and those that say how registries are reached."""
    own = npm_settings() | {name: value for name, value in os.environ.items() if ENVIRONMENT.fullmatch(name)}
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    return own | {"HOME": home, "PATH": path, "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


@functools.cache
def npm_settings() -> dict[str, str]:
    """What npm's own files here say about its registry, as variables."""
    found = {}
    if npm := shutil.which("npm"):
        for name in ("registry", "cafile"):
            told = subprocess.run([npm, "config", "get", name], capture_output=True, text=True).stdout.strip()
            if told not in ("", "null", "undefined"):
                found[f"npm_config_{name}"] = told
    return found


def copy_access(system: Path) -> None:
    """Copies how this machine reaches registries: apt's proxies and logins, pip's and npm's files, certificates."""
    for folder, taken in {"apt.conf.d": "Acquire", "auth.conf.d": ""}.items():
        for path in Path("/etc/apt", folder).glob("*"):
            if path.is_file() and taken in path.read_text():
                shutil.copy(path, system / "etc/apt" / folder / path.name)
    home = Path.home()
    for place in (home / ".config/pip/pip.conf", home / ".pip/pip.conf", Path("/etc/pip.conf")):
        if place.is_file():
            shutil.copy(place, system / "etc/pip.conf")
            break
    if (home / ".npmrc").is_file():
        shutil.copy(home / ".npmrc", system / "etc/npmrc")
    for name in ("resolv.conf", "hosts", "ssl/certs/ca-certificates.crt"):
        if Path("/etc", name).is_file():
            (system / "etc" / name).unlink(missing_ok=True)
            shutil.copy(Path("/etc", name), system / "etc" / name)


# --- systems --------------------------------------------------------------------------------------------------------


def run(command: Sequence[object], what: str, **more: Any) -> Done:
    """Raises Failed, with the last lines of the output and the name of a file that has all of it, and stays."""
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(
            [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, **more
        )
        try:
            code: int | None = child.wait(LIMIT)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            child.kill()  # and with it all in its namespace
            child.wait()
        out.seek(0)
        text = out.read()
    if code != 0:
        ended = f"status {code}" if code is not None else f"not ended after {LIMIT} s"
        with tempfile.NamedTemporaryFile("w", prefix="tallystick-fresh-", suffix=".log", delete=False) as whole:
            whole.write(text)
        raise Failed(f"{what}: {ended}; all that it printed is in {whole.name}\n" + "\n".join(text.splitlines()[-40:]))
    return Done(text, time.monotonic() - began)


def inside(system: Path, user: str, script: str) -> list[str]:
    """The command line that runs a shell script in a system."""
    name, home = ("root", "/root") if user == "root" else ("newcomer", "/home/newcomer")
    variables = [f"{name}={value}" for name, value in environment(home).items()]
    shell = ["env", "-i", *variables, "bash", "-c", f"cd ~ && {script}"]
    return [*NAMESPACE, "bash", "-c", INSIDE, "bash", str(system), name, *shell]


def bare_system(folder: Path, release: str) -> Path:
    """Debian with PACKAGES and a user, made when it is not there yet. Raises Failed."""
    system = folder / release
    if (system / READY).exists():
        return system
    shutil.rmtree(system, ignore_errors=True)
    address = mirror()
    command = [*NAMESPACE, "debootstrap", "--variant=minbase", f"--include={PACKAGES}", release, system, address]
    run(command, f"debootstrap {release}", env=environment("/root"))
    (system / "etc/apt/sources.list").write_text(f"deb {address} {release} main\n")
    copy_access(system)
    run(inside(system, "root", "useradd --create-home newcomer && apt-get update -qq"), f"setting up {release}")
    (system / READY).touch()
    return system


def with_node(system: Path) -> Path:
    """A copy of a system that has Debian's Node.js and npm, too, made when it is not there yet. Raises Failed."""
    copied = copy_of(system, f"{system.name}-node")
    command = "apt-get install -qq --no-install-recommends nodejs npm"
    if not (copied / READY).exists():
        run(inside(copied, "root", command), f"Node.js on {system.name}")
        (copied / READY).touch()
    return copied


def copy_of(system: Path, name: str) -> Path:
    """A copy beside it, without READY; one that is complete is kept."""
    copied = system.parent / name
    if (copied / READY).exists():
        return copied
    shutil.rmtree(copied, ignore_errors=True)
    run(["cp", "--archive", "--reflink=auto", system, copied], f"copying {system.name}")
    (copied / READY).unlink()
    return copied


@contextlib.contextmanager
def clone(system: Path, user: str) -> Iterator[str]:
    """A copy of a system with a clone of this repository, as committed, in the user's home; its path there."""
    copied = copy_of(system, f"{system.name}-case")
    try:
        home = "root" if user == "root" else "home/newcomer"
        run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, copied / home / "tallystick"], "git clone")
        run(["chroot", copied, "chown", "-R", user if user == "root" else "newcomer:", f"/{home}/tallystick"], "chown")
        yield str(copied)
        assert_ended(copied)
    finally:
        shutil.rmtree(copied)


def processes_in(system: Path) -> list[int]:
    """The processes whose root directory is a system's, in whichever namespace they are."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if (process / "root").samefile(system):
                found.append(int(process.name))
    return found


def assert_ended(system: Path) -> None:
    """No process is left in a system after its steps. Raises Failed."""
    deadline = time.monotonic() + 60  # the kernel ends a namespace's processes soon, and not at once
    while left := processes_in(system):
        if time.monotonic() > deadline:
            raise Failed(f"processes of {system.name} have not ended: {left}")
        time.sleep(0.1)


# --- the two commands -----------------------------------------------------------------------------------------------


def first_hour(case: Case, system: Path, whole: bool) -> None:
    """Fills the case's cells. Raises Failed."""
    with clone(system, case.user) as folder:
        found = Path(folder)
        versions = "python3 -V; node -v 2>/dev/null || echo none"
        python, node = run(inside(found, case.user, versions), "versions").out.split("\n")[:2]
        case.cells |= {"Python": python.removeprefix("Python "), "Node.js": node.removeprefix("v")}
        make_run(case, found)
        make_test(case, found, whole)


def make_run(case: Case, system: Path) -> None:
    """`make run` until it is ready, one event in, its count out, Ctrl-C. Raises Failed."""
    printed = system / "tmp/printed"
    began = time.monotonic()
    with printed.open("w") as out:
        # The systems share this machine's network, where port 8000 may be taken.
        command = inside(system, case.user, "cd tallystick && make run ARGS='--port 0'")
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        url = until(lambda: address_in(printed, server), "make run did not get ready", printed)
        case.cells["ready"] = f"{time.monotonic() - began:.0f} s"
        ask(f"{url}/v1/events", b'{"name":"page_view","user_id":"ada"}')
        count = f"{url}/v1/query?metric=events"
        until(lambda: ask(count)["rows"] == [{"events": 1}], "the event was not counted", printed)
        case.cells["counted"] = f"{time.monotonic() - began:.0f} s"
        shown = has_dashboard(url)
        case.cells["dashboard"] = "yes" if shown else "no"
        node = case.cells["Node.js"].partition(".")[0]
        if shown != (node != "none" and int(node) >= 20):
            raise Failed(f"dashboard: {shown}, with Node.js {node}\n{printed.read_text()}")
        if not shown and "Node.js" not in printed.read_text():
            raise Failed(f"without a dashboard, nothing says that Node.js is missing\n{printed.read_text()}")
        os.killpg(server.pid, signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(LIMIT)
        if "Traceback" in printed.read_text():
            raise Failed(f"make run printed a traceback\n{printed.read_text()}")
    finally:
        server.kill()
        server.wait()


def make_test(case: Case, system: Path, whole: bool) -> None:
    """`make test`, or its set-up and SHORT_PART. Raises Failed."""
    part = "" if whole else f"ARGS='{SHORT_PART}'"
    done = run(inside(system, case.user, f"cd tallystick && make test {part}"), "make test")
    last = [line for line in done.out.splitlines() if re.search(r"\d+ passed", line)][-1:]
    if not last:
        raise Failed(f"make test ran no test\n{done.out[-2000:]}")
    case.cells["make test"] = f"{done.seconds:.0f} s"
    case.cells["tests"] = re.sub(r"=+|\bin [\d.]+s.*", "", last[0]).strip()


def until(found: Callable[[], Answer], what: str, printed: Path) -> Answer:
    """Asks again and again until something is found. Raises Failed."""
    deadline = time.monotonic() + LIMIT
    while not (answer := found()):
        if time.monotonic() > deadline:
            raise Failed(f"{what} within {LIMIT} s\n{printed.read_text()[-4000:]}")
        time.sleep(0.2)
    return answer


def address_in(printed: Path, server: subprocess.Popen[bytes]) -> str:
    """Where the server is ready; empty before. Raises Failed when it has ended."""
    text = printed.read_text()
    if server.poll() is not None:
        raise Failed(f"make run ended with status {server.returncode}\n{text[-4000:]}")
    ready = re.search(r"ready on (http://\S+)", text)
    return ready[1] if ready else ""


def ask(url: str, body: bytes | None = None) -> Any:
    """The JSON of an answer."""
    with OPENER.open(urllib.request.Request(url, body), timeout=60) as answer:
        return json.load(answer)


def has_dashboard(url: str) -> bool:
    """Whether a browser gets it on `/`; else there is a page that says how to build it."""
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    try:
        with OPENER.open(request, timeout=60) as answer:
            return b'<div id="root"' in answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return False


# --- the program ----------------------------------------------------------------------------------------------------


def table(cases: Sequence[Case]) -> str:
    """Markdown: a row for each case."""
    columns = ("Python", "Node.js", "ready", "counted", "dashboard", "make test", "tests")
    rows = [["Debian", "as", *columns, "result"]]
    for case in cases:
        cells = [case.cells.get(name, "") for name in columns]
        rows.append([case.release, case.user, *cells, "failed" if case.failure else "well"])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rows.insert(1, ["-" * width for width in widths])
    lines = (" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"| {line} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/fresh", description="Runs `make run` and `make test` on bare Debian systems, and times them."
    )
    parser.add_argument("--release", nargs="+", choices=RELEASES, default=RELEASES, help="releases of Debian")
    parser.add_argument("--node", nargs="+", choices=NODES, default=NODES, help="Node.js of Debian, or none")
    parser.add_argument("--user", nargs="+", choices=USERS, default=USERS, help="who runs the commands")
    parser.add_argument("--whole", action="store_true", help=f"all tests; otherwise {SHORT_PART}")
    parser.add_argument("--systems", type=Path, help="keep the bare systems in this folder, for the next run")
    parsed = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the folder goes
    try:
        assert_allowed()
    except NotHere as reason:
        print(f"Skipped: bare Debian systems are not tried, because {reason}.", file=sys.stderr)
        return SKIPPED
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout:
        print("What is not committed is not tried.", file=sys.stderr)
    cases = [Case(*names) for names in product(parsed.release, parsed.node, parsed.user)]
    with tempfile.TemporaryDirectory(prefix="tallystick-fresh-") as temporary:
        folder = parsed.systems.resolve() if parsed.systems else Path(temporary)
        folder.mkdir(exist_ok=True)
        for case in cases:
            print(f"{case.name} …", file=sys.stderr, flush=True)
            try:
                system = bare_system(folder, case.release)
                first_hour(case, system if case.node == "without" else with_node(system), parsed.whole)
            except Failed as failure:
                case.failure = str(failure)
                print(failure, file=sys.stderr, flush=True)
            print(f"  {case.cells}", file=sys.stderr, flush=True)
    print(table(cases))
    failed = sum(bool(case.failure) for case in cases)
    print(f"{len(cases) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
