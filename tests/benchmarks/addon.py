# SPDX-License-Identifier: GPL-3.0-or-later
"""What the add-on costs Blender's main thread, measured in Blender's module against a hub process on a real socket.

    python tests/benchmarks/addon.py --out out/addon [--faces 1000000] [--reloads 200]

Four questions, each with the bar of the add-on's brief: how long a tick takes while nothing happens and while 100 MB
come in; how long a mesh with UVs and texture takes from the socket to an object in the scene, beside Blender's own
glTF import of the same mesh in the same run; how long an update of a preview with the same triangles takes; and what
is left behind when the add-on is enabled and disabled many times. The exit status is 1 when a bar is missed.

Bars are judged by processor time (of the main thread; for the race, of the whole process), because on a machine that
also does other things the wall clock measures those; wall-clock figures stand beside them in the report. On a quiet
machine the two agree.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # run as a file, Python knows only this file's folder
os.environ.setdefault("BLENDER_USER_RESOURCES", tempfile.mkdtemp(prefix="maquette-bench-"))

import bpy  # noqa: E402, I001  (first: it brings addon_utils)
import addon_utils  # noqa: E402
import numpy as np  # noqa: E402
import psutil  # noqa: E402

from tests.blender_addon.conftest import edges_of, png_bytes  # noqa: E402

BARS = {
    "idle tick, 99th percentile": ("ms", 0.1), "streaming tick, 99th percentile": ("ms", 4.0),
    "glTF import / ours": ("x", 4.0), "preview update, median": ("ms", 2.0), "reloads, growth of memory": ("MB", 24.0),
    "reloads, left behind": ("things", 0.0),
}
"""Unit and limit; for the ratio the least, for all others the most."""


def grid(faces: int, texture: int) -> dict[str, np.ndarray]:
    """A wavy sheet of about so many triangles with UVs, edges and a textured side of `texture` pixels."""
    side = max(int((faces / 2) ** 0.5), 2)
    y, x = np.mgrid[0 : side + 1, 0 : side + 1].astype(np.float32) / np.float32(side)
    vertices = np.stack([x, y, 0.05 * np.sin(20 * x) * np.cos(20 * y)], axis=-1).reshape(-1, 3).astype(np.float32)
    corner = (np.arange(side)[:, None] * (side + 1) + np.arange(side)[None]).reshape(-1).astype(np.int32)
    other = corner + side + 1
    triangles = np.stack([corner, corner + 1, other + 1, corner, other + 1, other], axis=-1).reshape(-1, 3)
    triangles = np.ascontiguousarray(triangles, np.int32)
    edges, corner_edges = edges_of(triangles)
    pixels = np.random.default_rng(1).integers(0, 256, (texture, texture, 3), dtype=np.uint8)
    return {
        "vertices": vertices, "faces": triangles, "edges": edges, "corner_edges": corner_edges,
        "uvs": np.ascontiguousarray(vertices[triangles.ravel(), :2]),
        "base_colour": np.frombuffer(png_bytes(pixels), np.uint8),
    }


@contextlib.contextmanager
def hub(folder: Path, arrays: dict[str, np.ndarray]) -> Iterator[None]:
    """The scripted hub of the add-on's tests as a process, with this result."""
    np.savez(folder / "arrays.npz", **arrays)  # type: ignore[arg-type]
    script = ROOT / "tests" / "blender_addon" / "fake_hub.py"
    process = subprocess.Popen(
        [sys.executable, script, folder, folder / "arrays.npz"], env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    try:
        while not (folder / "connection.json").exists():
            time.sleep(0.02)
        yield
    finally:
        process.kill()
        process.wait()
        (folder / "connection.json").unlink(missing_ok=True)


Spent = tuple[float, float]
"""Seconds of the processor, seconds of the wall clock."""


def spent_by(work: Callable[[], Any], processor: Callable[[], float] = time.thread_time) -> Spent:
    """What a piece of work costs."""
    wall, begin = time.perf_counter(), processor()
    work()
    return processor() - begin, time.perf_counter() - wall


def percentiles(spent: Sequence[Spent]) -> dict[str, float]:
    """Milliseconds."""
    found = {}
    for name, values in zip(("", "wall_"), np.array(spent).T * 1e3, strict=True):
        found |= {
            f"{name}median": float(np.median(values)), f"{name}p99": float(np.percentile(values, 99)),
            f"{name}worst": float(values.max()),
        }
    return found


def ticks(until: Callable[[], bool], rest: float) -> list[Spent]:
    """Tick as Blender's timer would, with `rest` seconds between."""
    from blender_addon import ticking

    spent = []
    while not until():
        spent.append(spent_by(ticking.tick))
        time.sleep(rest)
    return spent


def idle(count: int) -> dict[str, float]:
    """Ticks while connected and nothing happens."""
    from blender_addon import link

    link.current().connect()
    ticks(lambda: link.current().state is link.State.CONNECTED, 0.01)
    ticks(lambda left=iter(range(50)): next(left, None) is None, 0.001)
    return percentiles(ticks(lambda left=iter(range(count)): next(left, None) is None, 0.002))


def streaming(mesh: dict[str, np.ndarray]) -> dict[str, Any]:
    """Ticks while a result comes in and is kept on disk, the one that builds the object apart."""
    from blender_addon import link, scripting

    handle = scripting.generate("ball", seed=1)
    job = link.current().jobs.get(handle.id)
    assert job is not None
    ticks(lambda: job.state == "SUCCEEDED", 0.002)
    spent = ticks(lambda: job.over, 0.002)
    build, spent = spent[-1], spent[:-1]
    spent += ticks(lambda: not link.current().results.busy, 0.002)
    size = sum(array.nbytes for array in mesh.values())
    bpy.data.objects.remove(bpy.data.objects[job.object_name])
    return percentiles(spent) | {
        "ticks": len(spent), "megabytes": size / 1e6, "build": build[0] * 1e3, "wall_build": build[1] * 1e3,
    }


def socket_to_scene() -> Spent:
    """From the first byte of a result to its object in an evaluated scene, ticking without a rest."""
    from blender_addon import link, scripting

    handle = scripting.generate("ball", seed=1)
    job = link.current().jobs.get(handle.id)
    assert job is not None
    while job.state != "SUCCEEDED":
        link.current().pump()

    def work() -> None:
        while not job.over:
            link.current().pump()
        bpy.context.view_layer.update()

    spent = spent_by(work, time.process_time)
    assert job.state == "DONE", job.error
    link.current().results.finish()
    return spent


def gltf(path: Path) -> Spent:
    """Blender's own import of the same mesh."""

    def work() -> None:
        bpy.ops.import_scene.gltf(filepath=str(path))
        bpy.context.view_layer.update()

    return spent_by(work, time.process_time)


def clear() -> None:
    """Take what was made out of the file, so that every contestant meets an empty one."""
    bpy.ops.wm.read_factory_settings(use_empty=True)


def race(folder: Path, repeats: int) -> dict[str, Any]:
    """Ours and glTF in turn."""
    addon_utils.enable("io_scene_gltf2")
    socket_to_scene()
    path = folder / "mesh.glb"
    bpy.ops.object.select_all(action="SELECT")
    bpy.ops.export_scene.gltf(filepath=str(path), export_format="GLB")
    ours, theirs = [], []
    for _ in range(repeats):
        clear()
        ours.append(socket_to_scene())
        clear()
        addon_utils.enable("io_scene_gltf2")
        theirs.append(gltf(path))
    clear()
    mine, other = np.median(ours, axis=0), np.median(theirs, axis=0)
    return {
        "ours_seconds": float(mine[0]), "gltf_seconds": float(other[0]), "ratio": float(other[0] / mine[0]),
        "wall_ours_seconds": float(mine[1]), "wall_gltf_seconds": float(other[1]),
        "wall_ratio": float(other[1] / mine[1]), "repeats": repeats,
    }


def previews(faces: int, count: int = 60) -> dict[str, float]:
    """Updates of a preview whose triangles stay, from the update as the client gives it to the evaluated scene."""
    from blender_addon import link, scripting, wire

    handle = scripting.generate("wait", seed=1)
    job = link.current().jobs.get(handle.id)
    assert job is not None
    ticks(lambda: job.state == "RUNNING", 0.002)
    mesh = grid(faces, 4)
    colours = np.full((len(mesh["vertices"]), 4), 200, np.uint8)
    spent = []
    for number in range(count):
        moved = mesh["vertices"] * np.float32(1.0 + number / 1000)
        update = wire.updates.PreviewMesh(handle.id, moved, mesh["faces"], colours, counter=number)
        spent.append(spent_by(lambda update=update: link.current()._handle(update)))
    handle.cancel()
    ticks(lambda: job.over, 0.002)
    return percentiles(spent[2:])


def reloads(count: int) -> dict[str, float]:
    """The add-on enabled, connected now and then, and disabled."""
    from blender_addon import link

    me = psutil.Process()

    def left() -> int:
        lists = [getattr(bpy.app.handlers, name) for name in dir(bpy.app.handlers)]
        handlers = sum(len(one) for one in lists if isinstance(one, list))
        classes = sum(name.startswith("MAQUETTE") for name in dir(bpy.types))
        return handlers + classes + threading.active_count() + len(me.children(recursive=True))

    def once(connect: bool) -> None:
        addon_utils.enable("blender_addon")
        if connect:
            link.current().connect()
            link.current().pump(0.01)
        addon_utils.disable("blender_addon")

    for _ in range(20):  # what Python and Blender allocate once
        once(True)
    before, memory = left(), me.memory_info().rss
    begin = time.perf_counter()
    for number in range(count):
        once(number % 4 == 0)
    return {
        "left_behind": float(left() - before), "growth_megabytes": (me.memory_info().rss - memory) / 1e6,
        "milliseconds_each": (time.perf_counter() - begin) * 1e3 / max(count, 1), "count": float(count),
    }


def measure(chosen: argparse.Namespace, say: Callable[[str], None]) -> dict[str, Any]:
    """All of it; maps of plain numbers."""
    found: dict[str, Any] = {"blender": bpy.app.version_string, "faces": chosen.faces}
    clear()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MAQUETTE_DATA"] = str(folder)
        mesh = grid(chosen.faces, chosen.texture)
        with hub(folder, mesh):
            addon_utils.enable("blender_addon", default_set=True)
            for title, work in (
                ("idle", lambda: idle(chosen.ticks)),
                ("streaming", lambda: streaming(mesh)),
                ("race", lambda: race(folder, chosen.repeats)),
                ("preview of 3,000 triangles", lambda: previews(3000)),
                ("preview of 30,000 triangles", lambda: previews(30_000)),
            ):
                say(f"measuring {title}")
                if title == "race":  # reading the factory settings disables add-ons that are not in them
                    addon_utils.disable("blender_addon", default_set=True)
                    import blender_addon

                    blender_addon.register()
                found[title] = work()
            blender_addon.unregister()
            say("measuring reloads")
            found["reloads"] = reloads(chosen.reloads)
    found["bars"] = judge(found)
    return found


def judge(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Each bar with what was measured and whether it is met."""
    values = {
        "idle tick, 99th percentile": found["idle"]["p99"],
        "streaming tick, 99th percentile": found["streaming"]["p99"],
        "glTF import / ours": found["race"]["ratio"],
        "preview update, median": found["preview of 30,000 triangles"]["median"],
        "reloads, growth of memory": found["reloads"]["growth_megabytes"],
        "reloads, left behind": found["reloads"]["left_behind"],
    }
    rows = []
    for name, value in values.items():
        unit, bar = BARS[name]
        met = value >= bar if unit == "x" else value <= bar
        rows.append({"name": name, "value": round(value, 4), "unit": unit, "bar": bar, "met": bool(met)})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown."""
    lines = ["| what | measured | bar | |", "|---|---|---|---|"]
    for row in rows:
        word = "at least" if row["unit"] == "x" else "at most"
        verdict = "met" if row["met"] else "missed"
        lines.append(f"| {row['name']} | {row['value']:.3g} {row['unit']} | {word} {row['bar']:g} | {verdict} |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None, say: Callable[[str], None] = print) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="folder for addon.json and addon.md")
    parser.add_argument("--faces", type=int, default=1_000_000)
    parser.add_argument("--texture", type=int, default=3300, help="side of the texture, pixels of noise")
    parser.add_argument("--repeats", type=int, default=3, help="of the race with glTF")
    parser.add_argument("--ticks", type=int, default=2000, help="idle ticks")
    parser.add_argument("--reloads", type=int, default=200)
    chosen = parser.parse_args(arguments)
    found = measure(chosen, say)
    text = table(found["bars"])
    say(text)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "addon.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (chosen.out / "addon.md").write_text(text, encoding="utf-8")
    return 0 if all(row["met"] for row in found["bars"]) else 1


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # an ordinary end waits for ever in bpy 4.5 when anything is still registered
