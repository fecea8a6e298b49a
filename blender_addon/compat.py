# SPDX-License-Identifier: GPL-3.0-or-later
"""Every difference between Blender 3.4 and 5.x that the add-on meets, in one place.

Each function asks Blender what it has (a property, a method, an enum item) instead of comparing version numbers, so
that a build with a back-ported feature does the right thing. Nothing here knows about jobs, prompts or the hub.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy
import numpy as np


def is_module() -> bool:
    """Is this `import bpy` in an ordinary Python, not the Blender program? (4.2 has no `bpy.app.module`.)"""
    if hasattr(bpy.app, "module"):
        return bool(bpy.app.module)
    return bpy.app.background and not bpy.app.binary_path


def python_executable() -> str:
    """The Python that runs the add-on; empty inside the Blender program, whose Python holds no backend."""
    return sys.executable if is_module() else ""


def online_access() -> bool:
    """May the add-on talk to other machines? True before 4.2, which has no such preference."""
    return bool(getattr(bpy.app, "online_access", True))


def user_folder(package: str, name: str) -> Path:
    """A folder that survives upgrades of the add-on, made when missing.

    package: the add-on's top-level package; only an extension (`bl_ext....`) has a folder of its own.
    """
    if package.startswith("bl_ext.") and hasattr(bpy.utils, "extension_path_user"):
        return Path(bpy.utils.extension_path_user(package, path=name, create=True))
    base = bpy.utils.user_resource("DATAFILES", path="maquette") or os.path.join(tempfile.gettempdir(), "maquette")
    folder = Path(base) / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


# --- undo, redraw, progress -------------------------------------------------------------------------------------------


def undo_push(message: str) -> bool:
    """Close one undo step; False where there is no undo (background, module), which is no error."""
    if bpy.app.background or not bpy.context.preferences.edit.use_global_undo:
        return False
    bpy.ops.ed.undo_push(message=message)
    return True


def hands_full() -> bool:
    """Is something going on in a window that new data would disturb: an edit, sculpt or paint mode (their undo steps
    know nothing of other objects), something that is being dragged, a render?"""
    if bpy.app.background:
        return False
    if hasattr(bpy.app, "is_job_running") and bpy.app.is_job_running("RENDER"):
        return True
    for window in bpy.context.window_manager.windows:
        active = window.view_layer.objects.active
        if active is not None and active.mode not in ("OBJECT", "POSE"):
            return True
        for operator in getattr(window, "modal_operators", ()):  # 4.2
            if operator.bl_idname.startswith("TRANSFORM_OT_"):
                return True
    return False


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


# --- meshes -----------------------------------------------------------------------------------------------------------


def write_geometry(
    mesh: Any,
    vertices: np.ndarray,
    faces: np.ndarray,
    edges: np.ndarray | None,
    corner_edges: np.ndarray | None,
) -> None:
    """Fill an empty mesh with triangles.

    vertices: (V, 3) float32; faces: (F, 3) int32; edges: (E, 2) int32 and corner_edges: (3F,) int32, both or neither:
    edges without the edge of each corner make a mesh that Blender later calls broken.
    All arrays are C-contiguous, so that Blender copies them through the buffer protocol.
    """
    mesh.vertices.add(len(vertices))
    mesh.loops.add(faces.size)
    mesh.polygons.add(len(faces))
    if len(faces) == 0:
        mesh.update()
        return
    corner = mesh.attributes.get(".corner_vert")
    if corner is not None:
        mesh.attributes["position"].data.foreach_set("vector", vertices.ravel())
        corner.data.foreach_set("value", faces.ravel())
    else:  # before 3.6 corners and positions are structures, not attributes
        mesh.vertices.foreach_set("co", vertices.ravel())
        mesh.loops.foreach_set("vertex_index", faces.ravel())
    mesh.polygons.foreach_set("loop_start", np.arange(0, faces.size, 3, dtype=np.int32))
    if corner is None:
        mesh.polygons.foreach_set("loop_total", np.full(len(faces), 3, dtype=np.int32))
    if edges is None or corner_edges is None or corner is None:
        mesh.update(calc_edges=True)
        return
    mesh.edges.add(len(edges))
    mesh.attributes[".edge_verts"].data.foreach_set("value", edges.ravel())
    attribute = mesh.attributes.get(".corner_edge") or mesh.attributes.new(".corner_edge", "INT", "CORNER")
    attribute.data.foreach_set("value", corner_edges)
    mesh.update()


def write_positions(mesh: Any, vertices: np.ndarray) -> None:
    """Move the vertices of a mesh whose topology stays as it is; vertices: (V, 3) float32."""
    attribute = mesh.attributes.get("position")
    if attribute is not None:
        attribute.data.foreach_set("vector", vertices.ravel())
    else:
        mesh.vertices.foreach_set("co", vertices.ravel())
    mesh.update()


def read_positions(mesh: Any) -> np.ndarray:
    """The vertices of a mesh, (V, 3) float32."""
    vertices = np.empty((len(mesh.vertices), 3), np.float32)
    attribute = mesh.attributes.get("position")
    if attribute is not None:
        attribute.data.foreach_get("vector", vertices.ravel())
    else:
        mesh.vertices.foreach_get("co", vertices.ravel())
    return vertices


def read_uvs(mesh: Any, layer: Any) -> np.ndarray:
    """A UV map's coordinates, (corners, 2) float32."""
    uvs = np.empty((len(mesh.loops), 2), np.float32)
    if hasattr(layer, "uv"):
        layer.uv.foreach_get("vector", uvs.ravel())
    else:  # 3.4
        layer.data.foreach_get("uv", uvs.ravel())
    return uvs


def write_uvs(mesh: Any, name: str, uvs: np.ndarray) -> str:
    """Add a UV map and return its name; uvs: (corners, 2) float32, v up."""
    layer = mesh.uv_layers.new(name=name, do_init=False)
    if hasattr(layer, "uv"):
        layer.uv.foreach_set("vector", uvs.ravel())
    else:  # 3.4
        layer.data.foreach_set("uv", uvs.ravel())
    return str(layer.name)


def shade_smooth(mesh: Any, sharp_angle: float | None) -> None:
    """Smooth normals; edges whose faces meet at more than sharp_angle (radians) stay sharp, None: no edge does.

    For a mesh that was just filled: since 4.1 its faces are smooth already, and saying so again would
    cost as much as filling it.
    """
    if hasattr(mesh, "set_sharp_from_angle"):  # 4.1
        if "sharp_face" in mesh.attributes:
            mesh.attributes.remove(mesh.attributes["sharp_face"])
        if sharp_angle is not None:
            mesh.set_sharp_from_angle(angle=sharp_angle)
    else:
        mesh.polygons.foreach_set("use_smooth", np.ones(len(mesh.polygons), dtype=bool))
        if sharp_angle is not None:
            mesh.use_auto_smooth = True
            mesh.auto_smooth_angle = sharp_angle
    mesh.update()


# --- armatures --------------------------------------------------------------------------------------------------------


@contextmanager
def edit_mode(item: Any) -> Iterator[None]:
    """Edit mode of one object, the only way to bones; afterwards mode, active object and selection are as before."""
    manager = bpy.context.window_manager
    if bpy.context.window is None and manager is not None and len(manager.windows):
        # A timer has no window of its own.
        with bpy.context.temp_override(window=manager.windows[0]), _edit_mode(item):
            yield
    else:
        with _edit_mode(item):
            yield


@contextmanager
def _edit_mode(item: Any) -> Iterator[None]:
    layer = bpy.context.view_layer
    active = layer.objects.active
    mode = active.mode if active is not None else "OBJECT"
    if mode != "OBJECT":
        bpy.ops.object.mode_set(mode="OBJECT")
    # Others of its type that are selected would come along into edit mode.
    selected = [one for one in layer.objects if one.type == item.type and one.select_get()]
    for one in selected:
        one.select_set(False)
    stray = item.name not in layer.objects or not item.visible_get()
    if stray:  # its collections are excluded or hidden, or belong to another scene
        shelf = bpy.data.collections.new("Maquette edit")
        bpy.context.scene.collection.children.link(shelf)
        shelf.objects.link(item)
    layer.objects.active = item
    bpy.ops.object.mode_set(mode="EDIT")
    try:
        yield
    finally:
        bpy.ops.object.mode_set(mode="OBJECT")
        if stray:
            bpy.data.collections.remove(shelf)
        layer.objects.active = active
        for one in selected:
            one.select_set(True)
        if mode != "OBJECT" and active is not None:
            bpy.ops.object.mode_set(mode=mode)


def move_modifier(item: Any, name: str, place: int) -> None:
    """Bring a modifier to another place in the stack, 0 is the first."""
    at = item.modifiers.find(name)
    if at == place:
        return
    if hasattr(item.modifiers, "move"):  # 3.5
        item.modifiers.move(at, place)
    else:
        with bpy.context.temp_override(object=item):
            bpy.ops.object.modifier_move_to_index(modifier=name, index=place)


# --- materials and rendering ------------------------------------------------------------------------------------------


def enable_nodes(owner: Any) -> None:
    """Give a material or world its node tree. From 5.0 on it always has one and setting the flag only warns."""
    if owner.node_tree is None:
        owner.use_nodes = True


def socket(sockets: Any, *names: str) -> Any:
    """The first socket that has one of the names; sockets were renamed in 4.0, and their order changes often.

    Raises KeyError with all the names when there is none.
    """
    for name in names:
        found = sockets.get(name)
        if found is not None:
            return found
    raise KeyError(f"no socket named {' or '.join(names)}; there are {', '.join(item.name for item in sockets)}")


def exporters_see_groups() -> bool:
    """Does Blender's glTF exporter find an image inside a node group? Since 4.0, which has another group interface."""
    return hasattr(bpy.types.NodeTree, "interface") or "interface" in bpy.types.NodeTree.bl_rna.properties


def new_output(group: Any, name: str, kind: str) -> None:
    """Give a node group an output socket; kind: for example NodeSocketColor."""
    if hasattr(group, "interface"):  # 4.0
        group.interface.new_socket(name=name, in_out="OUTPUT", socket_type=kind)
    else:
        group.outputs.new(kind, name)


def set_engine(scene: Any, wanted: Sequence[str]) -> str:
    """Choose the first render engine of `wanted` that this Blender has, and return its name.

    EEVEE is BLENDER_EEVEE up to 4.1 and from 5.0, and BLENDER_EEVEE_NEXT between.
    """
    names: Iterable[str] = wanted
    for name in names:
        try:
            scene.render.engine = name
        except TypeError:  # Blender's own way to say that an enum has no such item
            continue
        return name
    raise RuntimeError(f"this Blender has none of the render engines {', '.join(wanted)}")


# --- animation --------------------------------------------------------------------------------------------------------

LINEAR = 1
"""Number of the interpolation in `foreach_set`."""


def action_curves(owner: Any, action: Any) -> tuple[Any, Any]:
    """Put a new Action to use on an object and return (its curves, their groups).

    From 4.4 on an Action has slots, one for each thing that it moves, and curves lie in a layer; `action.fcurves` is
    gone in 5.0.
    """
    data = owner.animation_data_create()
    data.action = action
    if not hasattr(action, "slots"):
        return action.fcurves, action.groups
    slot = action.slots.new(id_type="OBJECT", name=owner.name)
    data.action_slot = slot
    bag = action.layers.new("Layer").strips.new(type="KEYFRAME").channelbag(slot, ensure=True)
    return bag.fcurves, bag.groups


def bags_of(action: Any) -> list[Any]:
    """Everything in an Action that has `fcurves` and `groups`: its channel bags, or before 4.4 the Action itself."""
    if not hasattr(action, "slots"):
        return [action]
    return [bag for layer in action.layers for strip in layer.strips for bag in strip.channelbags]


def use_action(owner: Any, action: Any | None) -> None:
    """Put an Action to use on an object, with the slot that is meant for it; None for no Action."""
    data = owner.animation_data_create()
    data.action = action
    if action is not None:
        use_slot(data, action)


def use_slot(user: Any, action: Any) -> None:
    """Choose a slot for an object's animation data or a strip, where Actions have slots and none is chosen yet."""
    if not hasattr(action, "slots") or not len(action.slots) or user.action_slot is not None:
        return
    fitting = list(user.action_suitable_slots)
    if fitting:
        user.action_slot = fitting[0]
