# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on as the README installs it: a copy in Blender's add-ons folder with the protocol inside it, and nothing of
this repository in reach."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import os, sys
root = os.environ["REPOSITORY"]
sys.path = [one for one in sys.path if os.path.realpath(one or ".") != root]
sys.meta_path = [one for one in sys.meta_path if "editable" not in str(one).lower()]
import bpy, addon_utils
module = addon_utils.enable("blender_addon", default_set=False)
from blender_addon import wire
print("PROTOCOL", wire.errors.__name__, "OPERATOR", hasattr(bpy.types, "MAQUETTE_OT_generate"))
addon_utils.disable("blender_addon")
sys.stdout.flush()
os._exit(0)
"""


def test_a_copy_with_its_own_protocol_is_enabled(tmp_path: Path) -> None:
    addons = tmp_path / "addons"
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "blender_addon", addons / "blender_addon", ignore=ignore)
    shutil.copytree(ROOT / "protocol", addons / "blender_addon" / "protocol", ignore=ignore)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"BLENDER_USER_SCRIPTS": str(tmp_path), "REPOSITORY": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert "PROTOCOL blender_addon.protocol.errors OPERATOR True" in done.stdout, done.stdout + done.stderr
