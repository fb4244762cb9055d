"""The build backend of pyproject.toml: setuptools', with the dashboard and the browser snippet built first.

A wheel or an sdist without them is refused: it would install well and show an empty page. The setting
`-C without-dashboard=true` (of `python -m build`; pip's is `--config-settings`) allows it and builds neither. An sdist
has both as built files, so its wheel needs no Node.js. Editable installs build nothing: `scripts/install` does.

The readme in the metadata is README.md with links that work away from the repository: see `readme_of`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

from setuptools import build_meta  # type: ignore[import-untyped]

ROOT = Path(__file__).resolve().parents[2]
BUILT = {
    "dashboard": Path("src/tallystick/dashboard/index.html"),
    "snippet": Path("src/tallystick/ingest/built/tallystick.js"),
}
"""What is built, by the name of its folder of sources and of its script, and the main file of each build."""
README = Path("build/readme.md")
"""Where pyproject.toml takes the readme from."""
WITHOUT = "without-dashboard"
SOURCE = "Source"
"""The entry of `[project.urls]` that links of the readme lead to."""

ConfigSettings = dict[str, Any] | None


def get_requires_for_build_wheel(config_settings: ConfigSettings = None) -> list[str]:
    """What has to be installed besides setuptools: nothing; asking it reads pyproject.toml, which names the readme."""
    _write_readme()
    return list(build_meta.get_requires_for_build_wheel(_known(config_settings)))


def get_requires_for_build_sdist(config_settings: ConfigSettings = None) -> list[str]:
    """As for a wheel."""
    _write_readme()
    return list(build_meta.get_requires_for_build_sdist(_known(config_settings)))


def get_requires_for_build_editable(config_settings: ConfigSettings = None) -> list[str]:
    """As for a wheel."""
    _write_readme()
    return list(build_meta.get_requires_for_build_editable(_known(config_settings)))


def build_wheel(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """Builds a wheel with the dashboard and the snippet; its file name. Raises SystemExit if they cannot be built."""
    _build_web(config_settings)
    _fresh()
    return str(build_meta.build_wheel(wheel_directory, _known(config_settings), metadata_directory))


def build_sdist(sdist_directory: str, config_settings: ConfigSettings = None) -> str:
    """Builds an sdist of all sources and the built dashboard and snippet; its file name. Raises SystemExit likewise."""
    _build_web(config_settings)
    _fresh()
    return str(build_meta.build_sdist(sdist_directory, _known(config_settings)))


def build_editable(
    wheel_directory: str, config_settings: ConfigSettings = None, metadata_directory: str | None = None
) -> str:
    """An editable install, with what is built already."""
    _write_readme()
    return str(build_meta.build_editable(wheel_directory, _known(config_settings), metadata_directory))


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: ConfigSettings = None) -> str:
    """The metadata of the wheel; builds nothing."""
    _write_readme()
    return str(build_meta.prepare_metadata_for_build_wheel(metadata_directory, _known(config_settings)))


def prepare_metadata_for_build_editable(metadata_directory: str, config_settings: ConfigSettings = None) -> str:
    """The metadata of an editable install; builds nothing."""
    _write_readme()
    return str(build_meta.prepare_metadata_for_build_editable(metadata_directory, _known(config_settings)))


def readme_of(text: str, source: str | None) -> str:
    """The readme as a package index shows it.

    Args:
        text: README.md.
        source: the address of the file tree that relative links lead to; None: the project has none.

    Returns:
        The text with absolute links. Without an address a link becomes its label and the file's path in the sdist, and
        an image its description.
    """

    def absolute(found: re.Match[str]) -> str:
        image, label, target = found.groups()
        if re.match(r"[a-z]+:|#", target):
            return found[0]
        if source is not None:
            return f"{image}[{label}]({source.rstrip('/')}/{target}{'?raw=true' if image else ''})"
        if image:
            return f"*{label}*"
        return label if label == target.removeprefix("./") else f"{label} (`{target.partition('#')[0]}`)"

    return re.sub(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)", absolute, text)


def _known(config_settings: ConfigSettings) -> ConfigSettings:
    """The settings that setuptools knows."""
    return {name: value for name, value in (config_settings or {}).items() if name != WITHOUT}


def _build_web(config_settings: ConfigSettings) -> None:
    if str((config_settings or {}).get(WITHOUT, "")).lower() in ("true", "1", "yes"):
        return
    from_sdist = (ROOT / "PKG-INFO").is_file()
    for name, built in BUILT.items():
        if not from_sdist and (ROOT / name / "package.json").is_file():
            done = subprocess.run([str(ROOT / "scripts" / name), "required"], check=False)
            if done.returncode == 0:
                continue
            why = "it cannot be built; the message above says why"
        elif (ROOT / built).is_file():
            continue
        else:
            why = f"its sources, {name}/, are not here"
        raise SystemExit(
            f"error: {built} is missing or old: {why}. To build packages without what is missing: "
            f"python -m build -C {WITHOUT}=true"
        )


def _fresh() -> None:
    """Leaves nothing of earlier builds: setuptools would put files that have gone since into the new one."""
    shutil.rmtree(ROOT / "build", ignore_errors=True)
    (ROOT / "src" / "tallystick.egg-info" / "SOURCES.txt").unlink(missing_ok=True)
    _write_readme()


def _write_readme() -> None:
    source = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"].get("urls", {}).get(SOURCE)
    (ROOT / README).parent.mkdir(exist_ok=True)
    (ROOT / README).write_text(readme_of((ROOT / "README.md").read_text("utf-8"), source), "utf-8")
