"""What `python -m build` makes: an sdist that is the whole repository, and a wheel with all that Node.js builds."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from scripts.packaging.tallystick_build import readme_of
from tests.packaging.packages import ROOT, WEB, build, copy_of_the_repository, without_node

INDEX = "tallystick/dashboard/index.html"
SNIPPET = "tallystick/ingest/built/tallystick.js"
LICENSES = "third-party-licenses.txt"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return without_node(tmp_path_factory.mktemp("path") / "bin")


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Iterator[Path]:
    """The unpacked sdist of this repository, in which the dashboard and the snippet are built."""
    if not all((ROOT / "src" / name).is_file() for name in (INDEX, SNIPPET)):
        pytest.skip("the dashboard or the snippet is not built: scripts/install builds them where Node.js is")
    folder = tmp_path_factory.mktemp("sdist")
    source = copy_of_the_repository(folder / "clone", web=True)
    done = build(source, "sdist", folder / "dist", env)
    if "is missing or old" in done.said and shutil.which("npm") is None:
        pytest.skip("the dashboard or the snippet was built from older sources, and npm is not here")
    assert done.code == 0, f"{done.said}\nAfter a change of the dashboard or the snippet, run scripts/install first."
    [packed] = (folder / "dist").iterdir()
    with tarfile.open(packed) as archive:
        archive.extractall(folder / "unpacked", filter="data")
    [unpacked] = (folder / "unpacked").iterdir()
    yield unpacked
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def wheel(sdist: Path, tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> zipfile.ZipFile:
    """The wheel made of the sdist, where there is no Node.js."""
    folder = tmp_path_factory.mktemp("wheel")
    (sdist / "build" / "lib" / "tallystick").mkdir(parents=True)
    (sdist / "build" / "lib" / "tallystick" / "removed_since.py").write_text("")
    done = build(sdist, "wheel", folder, env)
    assert done.code == 0, done.said
    [file] = folder.iterdir()
    return zipfile.ZipFile(file)


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    [name] = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return Parser().parsestr(wheel.read(name).decode())


def tracked() -> list[str]:
    """Files of the repository. Skips the test where this is none, as in an unpacked sdist."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("this is no git repository")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_sdist_is_the_repository_and_what_node_builds(sdist: Path) -> None:
    assert [name for name in tracked() if not (sdist / name).is_file()] == []
    for folder in WEB:
        files = {path.relative_to(ROOT) for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert [name for name in sorted(files) if not (sdist / name).is_file()] == []
    assert not list(sdist.rglob("node_modules"))
    assert not list(sdist.rglob("__pycache__"))


def test_a_wheel_of_the_sdist_is_whole_without_node(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    package = {
        path.relative_to(ROOT / "src").as_posix()
        for path in (ROOT / "src" / "tallystick").rglob("*")
        if path.is_file() and not path.name.startswith(".") and "__pycache__" not in path.parts
    }
    assert sorted(package - names) == []
    assert {name for name in names if ".dist-info/" not in name} == package
    assert b"<script" in wheel.read(INDEX)
    assert b"/v1/events" in wheel.read(SNIPPET)


def test_licenses_of_all_bundled_packages_are_in_the_wheel(wheel: zipfile.ZipFile) -> None:
    """The list is made from the bundle: what the dashboard's code imports is in it, with its text."""
    own = wheel.read(f"tallystick/dashboard/{LICENSES}").decode()
    named = set(re.findall(r"^## (\S+) - ", own, re.MULTILINE))
    sources = "".join(path.read_text("utf-8") for path in (ROOT / "dashboard" / "src").rglob("*.ts*"))
    imported = {
        name for name in re.findall(r'^import (?!type ).*from "((?:@[\w-]+/)?[a-z][\w-]*)', sources, re.MULTILINE)
    }
    wanted = set(tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["license-files"])
    assert imported & {"react", "wouter", "lucide-react"} == {"react", "wouter", "lucide-react"}
    assert {"react", "react-dom", "wouter", "lucide-react", "@tanstack/react-query", "swagger-ui-dist"} <= named
    assert own.count("Permission") >= 20
    assert "SmartBear" in own
    listed = {name.partition("/licenses/")[2] for name in wheel.namelist() if ".dist-info/licenses/" in name}
    assert listed == {
        "LICENSE",
        "NOTICES.md",
        f"src/tallystick/dashboard/{LICENSES}",
        f"src/tallystick/model/referrers/{LICENSES}",
    }
    assert len(wanted) == 3
    assert "CC0 1.0" in wheel.read(f"tallystick/model/referrers/{LICENSES}").decode()


def test_metadata(metadata: Message) -> None:
    assert metadata["License-Expression"] == "Apache-2.0"
    assert {"postgres", "clickhouse", "redis", "rabbitmq", "kafka", "oidc", "enrich", "all"} == set(
        metadata.get_all("Provides-Extra") or ()
    )
    assert not [need for need in metadata.get_all("Requires-Dist") or () if "pytest" in need or "setuptools" in need]
    versions = {f"Programming Language :: Python :: 3.{minor}" for minor in (11, 12, 13)}
    assert versions <= set(metadata.get_all("Classifier") or ())
    assert metadata["Keywords"]
    assert metadata["Description-Content-Type"] == "text/markdown"
    readme = str(metadata.get_payload())
    assert readme.startswith("# Tallystick")
    assert [target for target in re.findall(r"\]\(([^)]+)\)", readme) if not target.startswith(("http", "#"))] == []


def test_links_of_the_readme() -> None:
    text = "See [Queries](docs/use/query.md#a), [it](https://example.org), [top](#run) and ![A chart](docs/a.png)."
    assert readme_of(text, None) == (
        "See Queries (`docs/use/query.md`), [it](https://example.org), [top](#run) and *A chart*."
    )
    assert readme_of(text, "https://example.org/tree/") == (
        "See [Queries](https://example.org/tree/docs/use/query.md#a), [it](https://example.org), [top](#run) "
        "and ![A chart](https://example.org/tree/docs/a.png?raw=true)."
    )


def test_a_build_without_node_fails(tmp_path: Path, env: dict[str, str]) -> None:
    """It says why; a setting allows a wheel without dashboard and snippet."""
    clone = copy_of_the_repository(tmp_path / "clone", web=False)
    for kind in ("sdist", "wheel"):
        done = build(clone, kind, tmp_path / "dist", env)
        assert done.code != 0
        assert "it needs Node.js 20 or newer, and there is no Node.js here." in done.said
        assert "python -m build -C without-dashboard=true" in done.said
    assert not (tmp_path / "dist").exists() or not list((tmp_path / "dist").iterdir())
    done = build(clone, "wheel", tmp_path / "dist", env, "-C", "without-dashboard=true")
    assert done.code == 0, done.said
    [file] = (tmp_path / "dist").iterdir()
    names = zipfile.ZipFile(file).namelist()
    assert "tallystick/app.py" in names
    assert not [name for name in names if name in (INDEX, SNIPPET) or ".not-built" in name]


def test_the_image_gets_a_whole_wheel(tmp_path: Path, sdist: Path, env: dict[str, str]) -> None:
    """From the files that the Dockerfile copies, by the command that it runs."""
    lines = (ROOT / "Dockerfile").read_text("utf-8").replace("\\\n", " ").splitlines()
    stage = lines[next(at for at, line in enumerate(lines) if line.endswith(" AS build")) :]
    stage = stage[: next(at for at, line in enumerate(stage[1:], 1) if line.startswith("FROM "))]
    for line in stage:
        words = shlex.split(line)
        if words[:1] != ["COPY"]:
            continue
        from_web = words[1].startswith("--from=")
        *sources, target = words[2 if from_web else 1 :]
        for source in sources:
            source = source.removeprefix("/build/")
            place = tmp_path / target / (Path(source).name if target.endswith("/") else "")
            if (sdist / source).is_dir():
                left = None if from_web else shutil.ignore_patterns("dashboard", "built")
                shutil.copytree(
                    sdist / source, tmp_path / target, dirs_exist_ok=True, ignore=left if source == "src" else None
                )
            else:
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(sdist / source, place)
    assert not (tmp_path / "dashboard").exists()
    command = next(line for line in stage if "pip wheel" in line)
    options = re.findall(r"pip wheel (.*?) \.", command)[0].split()
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "."],
        cwd=tmp_path, env=env, check=True, capture_output=True, timeout=1800,
    )  # fmt: skip
    [file] = (tmp_path / "wheels").iterdir()
    assert {INDEX, SNIPPET, f"tallystick/dashboard/{LICENSES}"} <= set(zipfile.ZipFile(file).namelist())
