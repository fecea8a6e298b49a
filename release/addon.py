# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the zips of the add-on: one extension a platform for Blender 4.2 and later, and one legacy add-on for 3.4 on.

An extension carries wheels, which Blender unpacks. A legacy zip has no such mechanism: it carries the same packages
unpacked under `packages/`, for every platform, and `blender_addon/bundled.py` loads those that fit from there. In both
the wire protocol lies inside the add-on's own package. The same sources give the same bytes: entries are sorted, and
their times and modes are fixed.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import re
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from . import wheels

ROOT = Path(__file__).resolve().parents[1]
ID = "maquette"
MANIFEST = "blender_manifest.toml"
LEFT_OUT = {"__main__.py"}
"""The demo: it is for a clone of this repository."""
SOURCE_ENDINGS = (".py", ".toml", ".po", ".png", ".svg", ".ico")
NOT_NEEDED = re.compile(r"(^|/)(tests|__pycache__)/|\.(pyi|pyx|pxd|pxi|h|c|cpp)$|(^|/)py\.typed$")
"""Files of a wheel that nothing imports."""
TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that a zip can name."""


class AddonProblem(Exception):
    """The zips cannot be made; the text says why."""


def source_files(root: Path = ROOT) -> dict[str, bytes]:
    """Everything of ours that an add-on holds, by its path inside the add-on's package, without the manifest."""
    files = {"LICENSE": (root / "LICENSE").read_bytes()}
    for package, prefix in (("blender_addon", ""), ("protocol", "protocol/")):
        for path in sorted((root / package).rglob("*")):
            name = path.relative_to(root / package).as_posix()
            hidden = any(part.startswith(".") or part == "__pycache__" for part in Path(name).parts)
            if path.is_file() and path.suffix in SOURCE_ENDINGS and not hidden and prefix + name not in LEFT_OUT:
                files[prefix + name] = path.read_bytes()
    del files[MANIFEST]
    return files


def version(root: Path = ROOT) -> str:
    """The version that the manifest names."""
    found = re.search(r'^version = "([^"]+)"$', (root / "blender_addon" / MANIFEST).read_text(encoding="utf-8"), re.M)
    if found is None:
        raise AddonProblem(f"{MANIFEST} names no version")
    return found[1]


def manifest(platforms: list[str], files: list[str], root: Path = ROOT) -> bytes:
    """The source's manifest, with the platforms and the wheels of one zip before its first table."""
    text = (root / "blender_addon" / MANIFEST).read_text(encoding="utf-8")
    lines = [f"platforms = [{', '.join(map(_quoted, platforms))}]", "wheels = ["]
    lines += [f"  {_quoted(f'./wheels/{file}')}," for file in files] + ["]", ""]
    head, table, tail = text.partition("\n[")
    return (head + "\n".join(lines) + table + tail).encode()


def _quoted(text: str) -> str:
    return f'"{text}"'


def extension(platform: str, root: Path, content: Mapping[str, bytes], lock: list[wheels.Wheel]) -> bytes:
    """The zip of one platform, in the form that Blender's own builder gives it: the package's files at the top."""
    names = [wheel.file for wheel in wheels.chosen(lock, platform, wheels.EXTENSION_PYTHONS)]
    files = source_files(root) | {MANIFEST: manifest([platform], names, root)}
    return zipped(files | {f"wheels/{name}": content[name] for name in names})


def legacy(root: Path, content: Mapping[str, bytes], lock: list[wheels.Wheel]) -> bytes:
    """The zip for "Install legacy add-on": one folder, with the packages of all platforms unpacked.

    `packages/pyzmq-cp311-linux-x64/zmq/...`: project, Python and platform, which is how `bundled.py` finds them.
    """
    files = source_files(root)
    for platform, python in itertools.product(wheels.PLATFORMS, wheels.LEGACY_PYTHONS):
        for wheel in wheels.chosen(lock, platform, [python]):
            folder = f"packages/{wheel.project}-cp{python.replace('.', '')}-{platform}"
            with zipfile.ZipFile(io.BytesIO(content[wheel.file])) as archive:
                for name in archive.namelist():
                    if not name.endswith("/") and not NOT_NEEDED.search(name):
                        files[f"{folder}/{name}"] = archive.read(name)
    return zipped({f"{ID}/{name}": data for name, data in files.items()})


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of these files whose bytes depend on nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, TIME)
            entry.create_system = 3
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_STORED if name.endswith(".whl") else zipfile.ZIP_DEFLATED
            archive.writestr(entry, files[name], compresslevel=9)
    return buffer.getvalue()


def build(out: Path, cache: Path, python: str | Path = sys.executable, root: Path = ROOT) -> list[Path]:
    """Write all zips and their SHA256SUMS into `out`; gives the zips' paths. cache: keeps downloaded wheels.

    python: one with pip. Raises wheels.WheelProblem or AddonProblem.
    """
    lock = wheels.locked()
    content = wheels.fetch(lock, cache, python)
    number = version(root)
    archives = {
        f"{ID}-{number}-{platform.replace('-', '_')}.zip": extension(platform, root, content, lock)
        for platform in wheels.PLATFORMS
    }
    archives[f"{ID}-{number}-legacy.zip"] = legacy(root, content, lock)
    out.mkdir(parents=True, exist_ok=True)
    for name, data in archives.items():
        (out / name).write_bytes(data)
    sums = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in archives.items())
    (out / "SHA256SUMS").write_text(sums, encoding="utf-8")
    return [out / name for name in archives]


def extension_tool(environment: Path) -> Path | None:
    """Blender's program for extensions inside an environment that has Blender's module; None where there is none."""
    found = sorted(environment.glob("**/site-packages/bpy/*/scripts/addons_core/bl_pkg/cli/blender_ext.py"))
    return found[-1] if found else None


def validate(paths: list[Path], tool: Path, python: str | Path = sys.executable) -> None:
    """Let Blender's own tool look at every extension among these zips. Raises AddonProblem with what it says."""
    for path in paths:
        if path.stem.endswith("-legacy"):
            continue
        command = [str(python), str(tool), "validate", str(path)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            raise AddonProblem(f"Blender's extension tool refuses {path.name}:\n{done.stdout}{done.stderr}".rstrip())
