# SPDX-License-Identifier: GPL-3.0-or-later
"""The two packages that the wire needs, `zmq` and `msgpack`, wherever this installation has them.

An extension brings them as wheels, which Blender puts on its own path; then there is nothing to do here. A legacy
add-on has them unpacked beside this file, one folder a Python and platform, and they are loaded from there by their
location: `sys.path` stays as it is, so that no other file of that folder can be taken for somebody's module. What
another add-on has loaded already is used, because a process can hold only one of each.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import platform
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "packages"
NEEDED = {"msgpack": "msgpack", "zmq": "pyzmq"}
"""Name of the module, name of the project."""

_SYSTEMS = {"win32": "windows", "darwin": "macos", "linux": "linux"}
_MACHINES = {"amd64": "x64", "x86_64": "x64", "arm64": "arm64", "aarch64": "arm64"}


def platform_name(system: str = sys.platform, machine: str = "") -> str:
    """This machine as Blender names platforms, `linux-x64`; names that it does not know stay as they are."""
    machine = (machine or platform.machine()).lower()
    return f"{_SYSTEMS.get(system, system)}-{_MACHINES.get(machine, machine)}"


def provide(folder: Path = FOLDER) -> None:
    """Load the packages from `folder` where it has those for this Python and machine; otherwise leave them to Python.

    Raises ImportError, saying what to do, when a package cannot be had either way.
    """
    for module, project in NEEDED.items():
        if module in sys.modules:
            continue
        home = folder / f"{project}-cp{sys.version_info[0]}{sys.version_info[1]}-{platform_name()}"
        if home.is_dir():
            _load(module, home)
        elif importlib.util.find_spec(module) is None:
            raise ImportError(
                f"Maquette needs the Python package {project}, which this zip does not bring for Python "
                f"{sys.version_info[0]}.{sys.version_info[1]} on {platform_name()}. Install the extension for your "
                f"platform (Blender 4.2 or later), or {project} into Blender's Python.",
                name=module,
            )


def _load(name: str, home: Path) -> None:
    """Import the package `name` that lies in `home`; its own parts are found through its path from then on."""
    spec = importlib.machinery.PathFinder.find_spec(name, [str(home)])
    if spec is None or spec.loader is None:
        raise ImportError(f"{home} holds no package {name}; install the add-on again.", name=name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        for loaded in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[loaded]
        raise
