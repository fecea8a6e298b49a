# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in the zips; that Blender's own tool agrees with them; that the same sources give the same bytes."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import blender_addon
from release import addon, wheels

ROOT = Path(__file__).resolve().parents[3]
PLATFORMS = [platform.replace("-", "_") for platform in wheels.PLATFORMS]


def manifest(path: Path) -> dict:
    with zipfile.ZipFile(path) as archive:
        return tomllib.loads(archive.read(addon.MANIFEST).decode())


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert addon.version() == project["version"] == ".".join(map(str, blender_addon.bl_info["version"]))


def test_the_same_sources_give_the_same_bytes(zips, tmp_path):
    again = addon.build(tmp_path, ROOT / "build" / "wheels")
    assert len(again) == len(wheels.PLATFORMS) + 1
    for path in again:
        assert path.read_bytes() == zips[path.stem.rpartition("-")[2]].read_bytes(), path.name


@pytest.fixture(scope="module")
def tool() -> Path:
    found = addon.extension_tool(Path(sys.prefix))
    assert found is not None, "Blender's module is in this environment, its tool for extensions must be too"
    return found


def test_blenders_own_tool_accepts_them(zips, tool):
    addon.validate(list(zips.values()), tool)


def test_what_blenders_own_tool_refuses_is_told(zips, tool, tmp_path):
    broken = tmp_path / "broken-windows_x64.zip"
    with zipfile.ZipFile(zips["linux_x64"]) as whole, zipfile.ZipFile(broken, "w") as archive:
        for name in whole.namelist():
            archive.writestr(name, whole.read(name).replace(b'id = "maquette"', b'id = "not an id"'))
    with pytest.raises(addon.AddonProblem, match="Not a valid identifier"):
        addon.validate([broken], tool)


def test_blenders_own_builder_makes_the_same_of_our_sources(zips, tool, tmp_path):
    """The zips differ from those of `blender -c extension build --split-platforms` in nothing but the manifest."""
    source, out = tmp_path / "source", tmp_path / "out"
    lock = wheels.locked()
    names = list(dict.fromkeys(
        wheel.file for platform in wheels.PLATFORMS
        for wheel in wheels.chosen(lock, platform, wheels.EXTENSION_PYTHONS)
    ))
    content = wheels.fetch([wheel for wheel in lock if wheel.file in names], ROOT / "build" / "wheels")
    files = addon.source_files() | {addon.MANIFEST: addon.manifest(list(wheels.PLATFORMS), names)}
    for name, data in (files | {f"wheels/{name}": content[name] for name in names}).items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(data)
    out.mkdir()
    command = [sys.executable, str(tool), "build", "--split-platforms", "--source-dir", source, "--output-dir", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in out.iterdir():
        with zipfile.ZipFile(path) as theirs, zipfile.ZipFile(zips[path.stem.rpartition("-")[2]]) as ours:
            more = {name for name in theirs.namelist() if not name.endswith("/")} ^ set(ours.namelist())
            # Their builder does not know that Blender for Intel Macs ended with Python 3.11.
            assert all("macos_x64" in path.name and "-cp312-abi3-" in name for name in more), (path.name, more)
            for name in ours.namelist():
                assert name == addon.MANIFEST or ours.read(name) == theirs.read(name), name


@pytest.mark.parametrize("platform", PLATFORMS)
def test_an_extension_names_its_platform_and_exactly_its_wheels(zips, platform):
    said = manifest(zips[platform])
    with zipfile.ZipFile(zips[platform]) as archive:
        inside = [name for name in archive.namelist() if name.endswith(".whl")]
    assert said["platforms"] == [platform.replace("_", "-")]
    assert sorted(said["wheels"]) == sorted(f"./{name}" for name in inside)
    pythons = 1 if platform == "macos_x64" else 2
    assert len(inside) == 2 * pythons and len({name.split("-")[0] for name in inside}) == 2


@pytest.mark.parametrize("platform", [*PLATFORMS, "legacy"])
def test_our_packages_are_inside_and_nothing_else_of_the_repository(zips, platform):
    with zipfile.ZipFile(zips[platform]) as archive:
        names = [name.removeprefix("maquette/") for name in archive.namelist()]
    ours = [name for name in names if not name.startswith(("packages/", "wheels/"))]
    assert {"__init__.py", "LICENSE", "protocol/client.py", "protocol/specs/__init__.py"} <= set(ours)
    assert not [name for name in ours if "__pycache__" in name or "tests/" in name or name == "__main__.py"]
    for path in (ROOT / "protocol").rglob("*.py"):
        assert f"protocol/{path.relative_to(ROOT / 'protocol').as_posix()}" in ours


def test_the_legacy_zip_has_every_python_and_platform(zips):
    with zipfile.ZipFile(zips["legacy"]) as archive:
        names = archive.namelist()
    for platform in wheels.PLATFORMS:
        for python in ("cp310", "cp311") if platform == "macos-x64" else ("cp310", "cp311", "cp313"):
            for project, module in (("pyzmq", "zmq"), ("msgpack", "msgpack")):
                folder = f"maquette/packages/{project}-{python}-{platform}/{module}/"
                assert f"{folder}__init__.py" in names
                assert any(re.search(r"\.(so|pyd)$", name) for name in names if name.startswith(folder)), folder
                licences = [name for name in names if f"{project}-{python}-{platform}/" in name and "LICENSE" in name]
                assert module == "msgpack" or licences, folder


# --- the lock ---------------------------------------------------------------------------------------------------------


def test_a_wheel_that_differs_from_its_pin_is_deleted_and_told(tmp_path):
    wheel = wheels.locked()[0]
    (tmp_path / wheel.file).write_bytes(b"something else")
    with pytest.raises(wheels.WheelProblem, match="not the file"):
        wheels.fetch([wheel], tmp_path)
    assert not (tmp_path / wheel.file).exists()


def test_a_wheel_that_pip_cannot_bring_is_told(tmp_path):
    wheel = wheels.Wheel("msgpack-0.0.1-cp311-cp311-win_amd64.whl", "0" * 64)
    with pytest.raises(wheels.WheelProblem, match="msgpack-0.0.1.* could not be downloaded"):
        wheels.fetch([wheel], tmp_path, python=sys.executable)


def test_a_hole_in_the_lock_is_told():
    lock = [wheel for wheel in wheels.locked() if not (wheel.project == "pyzmq" and "win" in wheel.file)]
    with pytest.raises(wheels.WheelProblem, match="pyzmq for windows-x64 and Python 3.11: none"):
        wheels.chosen(lock, "windows-x64", ["3.11"])


@pytest.mark.parametrize(
    ("file", "platforms", "pythons"),
    [
        ("a-1-cp311-cp311-win_amd64.whl", ["windows-x64"], ["3.11"]),
        ("a-1-cp312-abi3-macosx_10_15_universal2.whl", ["macos-arm64", "macos-x64"], ["3.12", "3.13"]),
        ("a-1-cp310-cp310-manylinux2014_x86_64.manylinux_2_28_x86_64.whl", ["linux-x64"], ["3.10"]),
        ("a-1-cp311-cp311-macosx_11_0_arm64.whl", ["macos-arm64"], ["3.11"]),
        ("a-1-cp311-cp311-manylinux_2_28_aarch64.whl", [], ["3.11"]),
    ],
)
def test_what_a_wheel_serves_is_read_from_its_name(file, platforms, pythons):
    wheel = wheels.Wheel(file, "0" * 64)
    assert {one for one in wheels.PLATFORMS if wheel.serves_platform(one)} == set(platforms)
    assert [one for one in ("3.10", "3.11", "3.12", "3.13") if wheel.serves_python(one)] == pythons


def test_a_zip_depends_on_names_and_contents_only():
    files = {"b.txt": b"2", "a.whl": b"1" * 1000}
    data = addon.zipped(files)
    assert data == addon.zipped(dict(reversed(files.items())))
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.namelist() == ["a.whl", "b.txt"]
        assert archive.getinfo("a.whl").compress_type == zipfile.ZIP_STORED
