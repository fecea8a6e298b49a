# SPDX-License-Identifier: GPL-3.0-or-later
"""What is drawn and redrawn: areas, images shown, dots, prompts, bars, dropped pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bpy


def redraw_panels() -> None:
    """Redraw the sidebars of all 3D viewports and image editors, and nothing else."""
    for area in _areas("VIEW_3D", "IMAGE_EDITOR"):
        for region in area.regions:
            if region.type == "UI":
                region.tag_redraw()


def show_image(old: Any | None, new: Any | None) -> bool:
    """Show an image in the image editors that look at another one, or, where `old` is None, in all of them; True when
    there was one."""
    shown = False
    for area in _areas("IMAGE_EDITOR") if new is not None else ():
        space = area.spaces.active
        if old is None or space.image == old:
            space.image = new
            shown = True
    return shown


def _areas(*kinds: str) -> list[Any]:
    """The areas of these kinds in all windows."""
    manager = bpy.context.window_manager
    windows = manager.windows if manager else ()
    return [area for window in windows for area in window.screen.areas if area.type in kinds]


def draw_dots(places: Sequence[tuple[float, float]], colour: tuple[float, float, float, float], size: float) -> None:
    """Dots in the region that is being drawn; places in its pixels."""
    import gpu
    from gpu_extras.batch import batch_for_shader

    if bpy.app.version >= (4, 0, 0):
        shader = gpu.shader.from_builtin("UNIFORM_COLOR")
    else:  # the name for drawings in pixels; both are accepted for a while, but a wrong one ends the program
        shader = gpu.shader.from_builtin("2D_UNIFORM_COLOR")
    gpu.state.point_size_set(size)
    batch = batch_for_shader(shader, "POINTS", {"pos": list(places)})
    shader.bind()
    shader.uniform_float("color", colour)
    batch.draw(shader)


def prompt_box(layout: Any, data: Any, name: str, placeholder: str) -> bool:
    """A field of several lines; False, and nothing drawn, before Blender 5.2."""
    if not hasattr(layout, "textbox"):
        return False
    layout.textbox(data, name, initial_visible_lines=3, placeholder=placeholder)
    return True


def picture_drop(name: str, operator: Any) -> tuple[type, ...]:
    """A handler that lets pictures be dropped on the sidebar for `operator`; in the viewport itself they mean what they
    always mean. None before Blender 4.1."""
    if not hasattr(bpy.types, "FileHandler"):
        return ()

    def poll_drop(cls: Any, context: Any) -> bool:
        viewport = context.area is not None and context.area.type == "VIEW_3D"
        return viewport and context.region is not None and context.region.type == "UI"

    members = {
        "bl_idname": name,
        "bl_label": operator.bl_label,
        "bl_import_operator": operator.bl_idname,
        "bl_file_extensions": ".png;.jpg;.jpeg;.webp;.exr;.tif;.tiff",
        "poll_drop": classmethod(poll_drop),
    }
    return (type(name, (bpy.types.FileHandler,), members),)


def redraw_status_bar() -> None:
    """Blender redraws the status bar when its text is set; None gives it back to Blender, so no text is lost. Not while
    a tool runs, whose hints stand there."""
    manager = bpy.context.window_manager
    for window in manager.windows if manager else ():
        if not len(getattr(window, "modal_operators", ())):
            window.workspace.status_text_set(None)


def progress_bar(layout: Any, fraction: float, text: str) -> None:
    """A bar with text in it; text alone before Blender 4.0."""
    if hasattr(layout, "progress"):
        layout.progress(factor=fraction, text=text, type="BAR")
    else:
        layout.label(text=f"{fraction * 100.0:3.0f} %  {text}")
