# SPDX-License-Identifier: GPL-3.0-or-later
"""From the built zip: install, enable, use, disable, uninstall, in each Blender that can be had.

Blender 4.5 is the one of this environment. Others have environments of their own under `build/blenders`, made by
`python3 build.py test --blenders 4.2,5.0,5.2`, which names them in MAQUETTE_BLENDERS. A Blender program on the PATH
that is too old for extensions gets the legacy zip.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
LIFE = Path(__file__).with_name("life.py")
OWN = "4.5"
ASKED = [name for name in os.environ.get("MAQUETTE_BLENDERS", "").split(",") if name and name != OWN]
PROGRAM = shutil.which("blender")


def own_site(folder: Path) -> Path:
    """A folder with Blender's module and numpy of this environment and nothing else of it: no zmq, no msgpack."""
    folder.mkdir()
    for name in ("bpy", "numpy"):
        spec = importlib.util.find_spec(name)
        assert spec is not None and spec.origin is not None
        package = Path(spec.origin).parent
        for part in (package, package.with_name(f"{name}.libs")):
            if part.exists():
                (folder / part.name).symlink_to(part, target_is_directory=True)
    return folder


def live(command: list[str | Path], archive: Path, data: Path, tmp_path: Path, **more: str) -> dict[str, Any]:
    """Run `life.py` with a user folder of its own and give back its report."""
    user = tmp_path / "user"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "MAQUETTE"))}
    environment |= {
        "MAQUETTE_DATA": str(data), "BLENDER_USER_RESOURCES": str(user), "BLENDER_USER_SCRIPTS": str(user / "scripts"),
        "BLENDER_USER_CONFIG": str(user / "config"), **more,
    }
    done = subprocess.run(
        [*command, archive, tmp_path / "report.json"], cwd=tmp_path, env=environment, capture_output=True, text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def judge(report: dict[str, Any], name: str, packages: str) -> None:
    """packages: part of the path that both packages must have been loaded from."""
    assert report["name"] == name and report["installed"] and report["enabled"]
    assert all(packages in path for path in report["packages"].values()), report["packages"]
    assert report["curve"], "the zmq that came along cannot encrypt"
    assert report["protocol"] == f"{name}.protocol.errors"
    assert report["top_level"] == [], "modules of ours at the top level"
    assert report["warnings"] == []
    made = report["object"]
    assert (made["name"], made["seed"], made["uv_maps"], made["materials"]) == ("Ball", 7, 1, 1) and made["faces"] > 100
    assert report["after_disable"] == {"classes": [], "handlers": [], "property": False}
    assert report["batch"] == {"code": 0, "files": ["base_colour.png", "model.glb", "report.json"], "objects": ["Ball"]}
    assert report["enabled_again"]
    assert report["left_after_uninstall"] == [] and not report["enabled_after_uninstall"]


@pytest.mark.parametrize("version", [OWN, *ASKED])
@pytest.mark.parametrize("kind", ["linux_x64", "legacy"])
def test_from_install_to_uninstall(version, kind, zips, hub, tmp_path):
    if not sys.platform.startswith("linux"):
        pytest.skip("the zip of this test is the one for Linux")
    if version == OWN:
        command, more = [sys.executable, "-S", LIFE], {"PYTHONPATH": str(own_site(tmp_path / "site"))}
    else:
        command, more = [ROOT / "build" / "blenders" / version / "bin" / "python", LIFE], {}
    report = live(command, zips[kind], hub, tmp_path, **more)
    assert report["blender"].startswith(version)
    user = str(tmp_path / "user")
    if kind == "legacy":
        judge(report, "maquette", f"{user}/scripts/addons/maquette/packages/")
        assert report["path_added"] == [f"{user}/scripts/addons"], "Blender's own entry, and none of ours"
    else:
        judge(report, "bl_ext.user_default.maquette", f"{user}/extensions/.local/")
        assert all(path.startswith(f"{user}/extensions/.local/") for path in report["path_added"])


@pytest.mark.skipif(PROGRAM is None, reason="no Blender program on the PATH")
def test_from_install_to_uninstall_in_the_program(zips, hub, tmp_path):
    """The legacy zip in Debian's Blender 3.4, or whichever is there; a program and not a module."""
    # Debian's Blender looks for its Python beside the first python3 on the PATH, which may be that of an environment.
    path = os.pathsep.join([str(Path(str(PROGRAM)).parent), os.defpath])
    command: list[str | Path] = [str(PROGRAM), "-b", "--factory-startup", "--python-exit-code", "1"]
    report = live([*command, "--python", LIFE, "--"], zips["legacy"], hub, tmp_path, PATH=path)
    judge(report, "maquette", f"{tmp_path / 'user'}/scripts/addons/maquette/packages/")
