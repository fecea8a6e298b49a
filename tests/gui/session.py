# SPDX-License-Identifier: GPL-3.0-or-later
"""An artist's quarter of an hour in Blender's window, with the mouse and the keyboard, against the real backend.

    blender --enable-event-simulate --factory-startup --python session.py -- PYTHON OUT

PYTHON has the backend installed. Into OUT go pictures of the window and `report.json`, which the tests judge. The
add-on is installed as `maquette` already.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import bpy

sys.path.insert(0, str(Path(__file__).parent))

import addon_utils  # noqa: E402
import window  # noqa: E402

PROMPT = "a red mushroom"
EFFORT = 0.05
COLUMNS = (0.77, 0.45, 0.38, 0.56, 0.66, 0.87, 0.22)
"""Where across the panel to look for a small button that stands in a row with others."""

backend, out = sys.argv[-2], Path(sys.argv[-1])
report: dict[str, Any] = {"blender": bpy.app.version_string, "steps": []}
began = time.monotonic()


def note(step: str, **facts: Any) -> None:
    report["steps"].append({"step": step, "seconds": round(time.monotonic() - began, 2), **facts})


def objects() -> list[str]:
    """The objects of the add-on in the scene."""
    return sorted(item.name for item in bpy.data.objects if "maquette_job" in item or "maquette_preview_of" in item)


def facts(item: Any) -> dict[str, Any]:
    """Of an object's mesh: how high it is, how many faces it has, how many edges do not lie between two of them, its UV
    maps and materials."""
    mesh = item.data
    sides: dict[Any, int] = {}
    for face in mesh.polygons:
        for edge in face.edge_keys:
            sides[edge] = sides.get(edge, 0) + 1
    return {
        "height": round(max(vertex.co.z for vertex in mesh.vertices), 4), "faces": len(mesh.polygons),
        "open": sum(count != 2 for count in sides.values()),
        "maps": [layer.name for layer in mesh.uv_layers], "materials": [one.name for one in mesh.materials],
    }


def scene() -> Any:
    """The panel's settings, asked for each time: an undo makes them new."""
    return bpy.context.window_manager.windows[0].scene.maquette


def session(hands: window.Hands) -> window.Script:
    maquette = sys.modules["maquette"]
    link = maquette.link
    drawn = watch("MAQUETTE_PT_main")
    jobs = link.current().jobs

    # The tab: walk down the tabs at the right edge until the panel shows.
    hands.area.spaces.active.show_region_ui = True
    yield 0.5
    edge = hands.region("UI")
    yield from hands.move(edge.x + 1, edge.y + edge.height / 2)
    x, y = edge.x + edge.width - 10, edge.y + edge.height - 20
    while not drawn and y > edge.y:
        yield from hands.click(x, y)
        yield 0.05
        y -= 25
    note("tab", panel_drawn=bool(drawn))
    yield from hands.picture(out / "1_tab.png")

    # An error, and the button that mends it: there is no backend yet.
    yield from type_prompt(hands, PROMPT)
    note("prompt", prompt=scene().prompt)
    scene().effort = EFFORT
    scene().randomise = False
    scene().seed = 7
    yield from hands.push("maquette.generate")
    yield lambda: link.current().problem is not None
    yield from in_viewport(hands)  # away from the message that Blender shows at the mouse
    yield 0.5
    note("problem", problem=str(link.current().problem))
    yield from hands.picture(out / "2_problem.png")
    bpy.context.preferences.addons["maquette"].preferences.python = backend
    yield from hands.push("maquette.connect")
    yield lambda: link.current().state is link.State.CONNECTED
    note("mended", problem=str(link.current().problem or ""))

    # Generate, watch the rough mesh appear, go on until the result replaces it.
    before = objects()
    yield from hands.push("maquette.generate")
    yield lambda: len(jobs) == 1
    note("pressed", before=before)
    yield lambda: bool(objects())
    note("preview", objects=objects(), state=jobs.newest().state)
    yield from look_at(hands, "VERTEX")
    yield from hands.picture(out / "3_preview.png")
    yield lambda: jobs.newest().over
    job = jobs.newest()
    note("result", objects=objects(), state=job.state, error=str(job.error or ""), previews=job.previews)
    yield from look_at(hands, "TEXTURE")
    yield from hands.picture(out / "4_result.png")

    # Undo and redo, with the keys.
    yield from in_viewport(hands)
    yield from hands.press("Z", ctrl=True)
    yield 0.3
    note("undone", objects=objects())
    yield from hands.press("Z", ctrl=True, shift=True)
    yield 0.5
    note("redone", objects=objects())

    # The tip of its cap goes, and the surface closes; one undo brings it back.
    item = bpy.data.objects["Red mushroom"]
    bpy.context.view_layer.objects.active = item
    item.select_set(True)
    whole = facts(item)
    top = 0.9 * max(corner[2] for corner in item.bound_box)
    for face in item.data.polygons:
        face.select = face.center.z > top
    scene().kind = "remove"
    yield from hands.push("maquette.generate")
    yield lambda: len(jobs) == 2 and jobs.newest().over
    yield from look_at(hands, "TEXTURE")
    yield from hands.picture(out / "5_removed.png")
    job = jobs.newest()
    note("removed", state=job.state, error=str(job.error or ""), before=whole, after=facts(item))
    yield from in_viewport(hands)
    yield from hands.press("Z", ctrl=True)
    yield 0.3
    note("restored", after=facts(bpy.data.objects["Red mushroom"]))

    # A third job, long enough to be cancelled by its button.
    scene().kind = "text_to_3d"
    scene().effort = 10.0
    yield from hands.push("maquette.generate")
    yield lambda: len(jobs) == 3 and jobs.newest().state == "RUNNING"
    yield from hands.picture(out / "6_running.png")
    yield from hands.push("maquette.cancel", *COLUMNS)
    pressed = time.monotonic()
    yield lambda: jobs.newest().over
    took = round(time.monotonic() - pressed, 2)
    note("cancelled", state=jobs.newest().state, took=took, objects=objects())

    # The history: unfold it, and take the settings of what was made from there.
    scene().prompt = "something else"
    yield from unfold(hands, "MAQUETTE_PT_history")
    yield from hands.picture(out / "7_history.png")
    yield from hands.push("maquette.reuse", *COLUMNS)
    yield 0.2
    note("history", records=[[one.state, one.title] for one in link.current().history], prompt=scene().prompt)


def watch(name: str) -> list[float]:
    """The times at which a panel is drawn from now on."""
    panel = getattr(bpy.types, name)
    drawn: list[float] = []
    draw = panel.draw
    panel.draw = lambda self, context: (drawn.append(time.monotonic()), draw(self, context))[1]
    return drawn


def unfold(hands: window.Hands, name: str) -> window.Script:
    """Click headers, from the bottom up, until this panel is open; what was no header of it is clicked again."""
    drawn = watch(name)
    region = hands.region("UI")
    x, y = region.x + region.width * 0.35, region.y + 8
    while not drawn and y < region.y + region.height - 40:
        yield from hands.move(x, y)
        if not hands.under_mouse():
            yield from hands.press("LEFTMOUSE")
            yield 0.15
            if not drawn:
                yield from hands.press("LEFTMOUSE")
                yield 0.05
        y += 16
    yield 0.3


def type_prompt(hands: window.Hands, text: str) -> window.Script:
    yield from hands.find("prompt")
    yield from hands.press("LEFTMOUSE")
    yield 0.1
    yield from hands.press("A", ctrl=True)
    yield from hands.type(text)
    yield from hands.press("RET")
    yield 0.1


def in_viewport(hands: window.Hands) -> window.Script:
    region = hands.region("WINDOW")
    yield from hands.move(region.x + region.width * 0.3, region.y + region.height * 0.4)


def look_at(hands: window.Hands, colours: str) -> window.Script:
    """Show the object from near. colours: what Solid shading shows, because it needs no shaders to be compiled."""
    space = hands.area.spaces.active
    space.shading.color_type = colours
    view = space.region_3d
    view.view_location, view.view_distance = (0.0, 0.0, 0.45), 3.2
    yield 0.8


def finish(problem: BaseException | None) -> None:
    report["problem"] = "" if problem is None else f"{type(problem).__name__}: {problem}"
    (out / "report.json").write_text(json.dumps(report, indent=1), encoding="utf-8")
    addon_utils.disable("maquette")  # ends the hub that the add-on has started


bpy.context.preferences.view.show_splash = False
bpy.context.preferences.system.use_region_overlap = False  # else the scene is drawn anew with each look at the sidebar
for item in list(bpy.data.objects):
    bpy.data.objects.remove(item)
addon_utils.enable("maquette", default_set=True)
window.perform(session(window.Hands()), finish)
