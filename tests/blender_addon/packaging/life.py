# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of the built add-on in one Blender: installed, enabled, used, disabled, enabled again, uninstalled.

    python life.py ZIP REPORT.json

A program of its own, run in a Python that has Blender's module and nothing of this repository. MAQUETTE_DATA names the
folder of a hub that listens. What it finds goes into the report; the tests judge it.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import bpy  # isort: skip  (first: it makes the next one importable)
import addon_utils

ID = "maquette"
PREFIX = "MAQUETTE_"


def classes() -> list[str]:
    """Everything of the add-on's that Blender has registered."""
    kinds = (bpy.types.Operator, bpy.types.Panel, bpy.types.PropertyGroup, bpy.types.AddonPreferences)
    return sorted(
        f"{one.__module__}.{one.__name__}" for kind in kinds for one in kind.__subclasses__()
        if getattr(one, "is_registered", False) and ID in one.__module__
    )


def handlers() -> list[str]:
    """The add-on's own handlers."""
    found = []
    for name in dir(bpy.app.handlers):
        functions = getattr(bpy.app.handlers, name)
        if isinstance(functions, list):
            found += [f"{name}: {one.__module__}" for one in functions if ID in getattr(one, "__module__", "")]
    return found


def modules() -> list[str]:
    return sorted(name for name in sys.modules if name.split(".")[0] in ("protocol", "backend", "blender_addon"))


def install(archive: str) -> tuple[str, str]:
    """The add-on's module name and the folder it lies in."""
    if archive.endswith("-legacy.zip"):
        bpy.ops.preferences.addon_install(filepath=archive, overwrite=True)
        return ID, os.path.join(bpy.utils.user_resource("SCRIPTS", path="addons"), ID)
    bpy.ops.extensions.package_install_files(filepath=archive, repo="user_default", enable_on_install=False)
    return f"bl_ext.user_default.{ID}", os.path.join(repository()[1].directory, ID)


def repository() -> tuple[int, Any]:
    """Index and entry of Blender's own repository for extensions from files."""
    return next(
        (index, one) for index, one in enumerate(bpy.context.preferences.extensions.repos)
        if one.module == "user_default"
    )


def uninstall(name: str) -> None:
    if name == ID:
        window = bpy.context.window_manager.windows[0]
        with bpy.context.temp_override(window=window, area=window.screen.areas[0]):  # the operator redraws its area
            bpy.ops.preferences.addon_remove(module=name)
        return
    bpy.ops.extensions.package_uninstall(repo_index=repository()[0], pkg_id=ID)


def warnings(name: str) -> list[str]:
    """What Blender says about an extension that breaks its rules."""
    look = getattr(addon_utils, "_extensions_warnings_get", None)
    return [f"{key}: {text}" for key, texts in look().items() if ID in key for text in texts] if look else []


def batch(maquette: Any) -> dict[str, Any]:
    """A manifest of one job through the add-on's own scripting: exit code, files, and what stands in its .blend."""
    manifest = Path("shelf.csv")
    manifest.write_text("prompt,out,blend\nball,made,all\n", encoding="utf-8")
    code = maquette.batch_file("shelf.csv")
    with bpy.data.libraries.load(str(Path("shelf/all.blend").resolve())) as (source, _):
        objects = list(source.objects)
    return {"code": code, "files": sorted(one.name for one in Path("shelf/made").iterdir()), "objects": objects}


def main(archive: str) -> dict[str, object]:
    report: dict[str, object] = {"blender": bpy.app.version_string, "python": sys.version.split()[0]}
    path_before = list(sys.path)
    name, folder = install(archive)
    report["name"], report["installed"] = name, os.path.isdir(folder)

    addon = addon_utils.enable(name, default_set=True)
    report["enabled"] = addon is not None and bool(classes())
    import msgpack
    import zmq

    scripting = sys.modules.get(f"{name}.scripting") or __import__(f"{name}.scripting", fromlist=["scripting"])
    report["packages"] = {"zmq": zmq.__file__, "msgpack": msgpack.__file__}
    report["versions"] = {"zmq": zmq.__version__, "msgpack": ".".join(map(str, msgpack.version[:3]))}
    report["curve"] = bool(zmq.has("curve"))
    report["protocol"] = sys.modules[f"{name}.wire"].errors.__name__
    report["path_added"] = [one for one in sys.path if one not in path_before]
    report["top_level"] = modules()
    report["warnings"] = warnings(name)

    handle = scripting.generate("ball", seed=7)
    item = handle.wait(timeout=60.0)
    report["object"] = {
        "name": item.name, "faces": len(item.data.polygons), "materials": len(item.data.materials),
        "uv_maps": len(item.data.uv_layers), "seed": handle.report.get("seed"),
    }

    report["batch"] = batch(sys.modules[name])

    addon_utils.disable(name, default_set=True)
    report["after_disable"] = {"classes": classes(), "handlers": handlers(), "property": hasattr(bpy.types.Scene, ID)}
    addon_utils.enable(name, default_set=True)
    report["enabled_again"] = bool(classes())
    bpy.ops.preferences.addon_disable(module=name)
    uninstall(name)
    report["left_after_uninstall"] = sorted(str(one) for one in Path(folder).rglob("*"))
    report["enabled_after_uninstall"] = name in bpy.context.preferences.addons
    return report


if __name__ == "__main__":
    code = 1
    try:
        found = main(sys.argv[-2])
        Path(sys.argv[-1]).write_text(json.dumps(found, indent=1), encoding="utf-8")
        code = 0
    except BaseException:
        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Blender's module may hang or crash at an ordinary end
