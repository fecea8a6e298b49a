# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of the shell brought into Blender: .blend files, and .glb files that hold a skeleton and its motion.

Blender runs as a process of its own, the module of this environment or a Blender program, and does with each result
what the add-on does in an artist's scene (`blender_addon.batch.assemble`).
"""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from protocol.batch.shelf import subject
from protocol.errors import BadRequest
from protocol.specs import Spec
from protocol.updates import Result

MOVING = {"joint_heads", "motion_rotations"}
"""Arrays that no plain mesh file holds."""


def command(program: str = "") -> list[str]:
    """How Blender is run; `{}` in its last part stands for a plan's path. Raises BadRequest when there is none."""
    root = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.insert(0, {root!r}); from blender_addon.batch import assemble; assemble.main({{!r}})"
    if program:
        found = shutil.which(program)
        if found is None:
            raise BadRequest(f"{program} is not a program that can be run.", path="blender")
        return [found, "--background", "--factory-startup", "--python-exit-code", "1", "--python-expr", code]
    if not at_hand():
        raise BadRequest("A .blend is asked for, and this environment has no Blender.", path="blender",
                         hint="Install the bpy package, or name a Blender program to `batch` with --blender.")
    return [sys.executable, "-c", code]


def at_hand() -> bool:
    """Has this environment Blender's module?"""
    return importlib.util.find_spec("bpy") is not None


def follow(blender: list[str], plan: Mapping[str, Any], folder: Path) -> str:
    """Let Blender do what a plan says; gives why it could not, empty when it did. folder: for the plan's own file."""
    path = folder / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    done = subprocess.run([*blender[:-1], blender[-1].format(str(path))], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL)
    path.unlink(missing_ok=True)
    wanted = [Path(plan[one]) for one in ("file", "glb") if plan.get(one)]
    if done.returncode == 0 and all(one.exists() for one in wanted):
        return ""
    return (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["no reason given"])[-1]


def bring(
    out: Path, spec: Spec, result: Result, stage: Mapping[str, Any], target: str, *, blend: bool = False,
    key: str = "0" * 32,
) -> list[str]:
    """Write model.glb with skeleton and motion where the result has any, and with `blend` scene.blend; gives the names
    of the files. stage, target: what was worked on, and its name.

    Without Blender nothing is written, and model.glb, where there is one, stays a mesh alone.
    """
    moving = not MOVING.isdisjoint(result.arrays)
    if not blend and not (moving and at_hand()):
        return []
    blender = command()
    with tempfile.TemporaryDirectory() as folder:
        arrays, staged, report = (Path(folder) / name for name in ("arrays.npz", "stage.npz", "report.json"))
        np.savez(arrays, **result.arrays)  # type: ignore[arg-type,unused-ignore]
        if stage:
            np.savez(staged, **stage)
        report.write_text(json.dumps(result.report, default=str), encoding="utf-8")
        plan = {"file": str(out / "scene.blend") if blend else "", "glb": str(out / "model.glb") if moving else "",
                "objects": [subject(spec, key, arrays, staged, report, facts={"target": target})]}
        reason = follow(blender, plan, Path(folder))
    if reason:
        click.echo(f"Blender could not take the result: {reason}", err=True)
        return []
    return [*(["model.glb"] if moving else []), *(["scene.blend"] if blend else [])]
