# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheels that the add-on carries: which files, for which platform and Python, with which content.

Every wheel is pinned by name and SHA-256 in `wheels.toml`; pip fetches it once into a cache and the hash is checked
each time it is used. How to move to newer versions is written in that file.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).with_name("wheels.toml")

PLATFORMS = ("windows-x64", "macos-arm64", "macos-x64", "linux-x64")
"""Platforms that get a zip, as Blender names them."""

EXTENSION_PYTHONS = ("3.11", "3.13")
"""Pythons of the Blenders that know extensions: 4.2 to 5.0, and 5.1 on."""

LEGACY_PYTHONS = ("3.10", "3.11", "3.13")
"""Pythons of Blender 3.4 to 4.0, of 4.1 to 5.0, and of 5.1 on; Debian builds its 3.4 with 3.11."""

LAST_PYTHON = {"macos-x64": "3.11"}
"""Blender for Macs with Intel processors ends with 4.5, and so with Python 3.11."""

_ENDINGS = {"windows-x64": "win_amd64", "macos-arm64": "arm64", "macos-x64": "x86_64", "linux-x64": "x86_64"}
_SYSTEMS = {"windows-x64": "win", "macos-arm64": "macosx", "macos-x64": "macosx", "linux-x64": "manylinux"}


class WheelProblem(Exception):
    """A wheel cannot be had or is not what was pinned; the text says what to do."""


@dataclass(frozen=True)
class Wheel:
    """One file of the lock. file: its name, which by convention tells what it serves. sha256: 64 hex digits."""

    file: str
    sha256: str

    def __post_init__(self) -> None:
        if len(self.file.split("-")) != 5 or not self.file.endswith(".whl"):
            raise WheelProblem(f"{self.file} is not the name of a wheel")
        if not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise WheelProblem(f"{self.file}: {self.sha256!r} is not a SHA-256")

    @property
    def project(self) -> str:
        return self.file.split("-")[0]

    @property
    def version(self) -> str:
        return self.file.split("-")[1]

    @property
    def platform_tags(self) -> list[str]:
        return self.file.removesuffix(".whl").split("-")[4].split(".")

    def serves_platform(self, platform: str) -> bool:
        """Does it run on this platform (`linux-x64`)?"""
        return any(
            tag.startswith(_SYSTEMS[platform]) and tag.endswith((_ENDINGS[platform], "universal2"))
            for tag in self.platform_tags
        )

    def serves_python(self, version: str) -> bool:
        """Does it run in this Python (`3.11`)? A wheel for the stable ABI serves later ones too."""
        python, abi = self.file.split("-")[2:4]
        wanted, own = _number(version), _number(f"{python[2]}.{python[3:]}")
        return own <= wanted if abi == "abi3" else own == wanted


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def locked(path: Path = LOCK) -> list[Wheel]:
    """All pinned wheels, by name."""
    with path.open("rb") as file:
        table = tomllib.load(file)["sha256"]
    return [Wheel(name, table[name]) for name in sorted(table)]


def chosen(wheels: Iterable[Wheel], platform: str, pythons: Sequence[str]) -> list[Wheel]:
    """The wheels that one platform needs for these Pythons: of every project exactly one for each Python.

    Raises WheelProblem when the lock misses one or names two.
    """
    last = _number(LAST_PYTHON.get(platform, "99.0"))
    wheels = list(wheels)
    found: list[Wheel] = []
    for project in sorted({wheel.project for wheel in wheels}):
        for python in pythons:
            if _number(python) > last:
                continue
            fitting = [
                wheel for wheel in wheels
                if wheel.project == project and wheel.serves_platform(platform) and wheel.serves_python(python)
            ]
            if len(fitting) != 1:
                names = ", ".join(wheel.file for wheel in fitting) or "none"
                raise WheelProblem(f"{LOCK.name}: {project} for {platform} and Python {python}: {names}, expected one")
            found += [wheel for wheel in fitting if wheel not in found]
    return found


def fetch(wheels: Iterable[Wheel], cache: Path, python: str | Path = sys.executable) -> dict[str, bytes]:
    """The content of each wheel by file name, from the cache or through pip; every hash is checked.

    python: one that has pip. Raises WheelProblem when a file cannot be downloaded or differs from what was pinned.
    """
    wheels = list(wheels)
    cache.mkdir(parents=True, exist_ok=True)
    _download([wheel for wheel in wheels if not (cache / wheel.file).exists()], cache, python)
    content = {}
    for wheel in wheels:
        path = cache / wheel.file
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != wheel.sha256:
            path.unlink()
            raise WheelProblem(f"{wheel.file} is not the file that {LOCK.name} pins; it was deleted. Try again.")
        content[wheel.file] = data
    return content


def _download(missing: list[Wheel], cache: Path, python: str | Path) -> None:
    """Let pip bring these files into the cache: one call a platform and Python, side by side, because each takes
    seconds of which most are waiting."""
    groups: dict[tuple[str, str], list[Wheel]] = {}
    for wheel in missing:
        platform = next(one for one in PLATFORMS if wheel.serves_platform(one))
        version = next(one for one in (*LEGACY_PYTHONS, *EXTENSION_PYTHONS) if wheel.serves_python(one))
        groups.setdefault((platform, version), []).append(wheel)
    with tempfile.TemporaryDirectory(dir=cache) as name, contextlib.ExitStack() as running:
        folder = Path(name)
        calls = []
        for number, ((_, version), group) in enumerate(groups.items()):
            wanted = folder / f"{number}.txt"
            wanted.write_text("".join(f"{one.project}=={one.version} --hash=sha256:{one.sha256}\n" for one in group))
            tags = dict.fromkeys(tag for one in group for tag in one.platform_tags)
            command = [
                str(python), "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                "--only-binary=:all:", "--require-hashes", "--implementation", "cp", "--python-version", version,
                *(part for tag in tags for part in ("--platform", tag)), "--dest", name, "--requirement", str(wanted),
            ]
            call = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            calls.append((running.enter_context(call), group))
        for call, group in calls:
            said = call.communicate()[1].strip().splitlines()
            for wheel in group:
                if not (folder / wheel.file).exists():
                    reason = said[-1] if said else "pip brought another file"
                    raise WheelProblem(
                        f"{wheel.file} could not be downloaded: {reason}\nIs the package registry in reach, and is pip "
                        f"installed for {python}? The file can also be put into {cache} by hand."
                    )
                (folder / wheel.file).replace(cache / wheel.file)
