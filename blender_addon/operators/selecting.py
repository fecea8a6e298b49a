# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators that say what is meant: clicks on a mesh or a picture, a new mask to paint on."""

import bpy

from .. import compat, scripting, wire, words
from ..capture import clicks, meshes, pictures
from ..declared import Guarded, Reporting

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

INSIDE, OUTSIDE = (0.25, 0.85, 0.35, 1.0), (0.95, 0.3, 0.25, 1.0)
DOT = 9.0
"""Pixels."""
WAYS = (
    ("auto", "As It Fits", "The loose part under a click, or the piece of the surface where there is one part only"),
    ("object", "Part", "The whole loose part under a click"),
    ("surface", "Surface", "The piece of the surface that creases and colours set apart"),
)
HELP = "Click what is meant, Ctrl-click what is not. Enter: select. Esc: leave"
SEND, STOP = {"RET", "NUMPAD_ENTER", "SPACE"}, {"ESC", "RIGHTMOUSE"}


class Clicking(Reporting):
    """A modal operator that collects clicks and sends them; turning the view forgets them, because they lie in it.
    What becomes of them is `ask`."""

    def ask(self, context, points):
        raise NotImplementedError

    def invoke(self, context, event):
        self.clicks = []
        self.region = next(one for one in context.area.regions if one.type == "WINDOW")
        self.handle = context.space_data.draw_handler_add(self.dots, (), "WINDOW", "POST_PIXEL")
        context.area.header_text_set(words.say(HELP))
        context.window_manager.modal_handler_add(self)
        context.area.tag_redraw()
        return {"RUNNING_MODAL"}

    def modal(self, context, event):
        if context.area is None:
            return {"CANCELLED"}
        context.area.tag_redraw()
        if event.type in SEND and event.value == "PRESS":
            return self.send(context)
        if event.type in STOP and event.value == "PRESS":
            self.end(context)
            return {"CANCELLED"}
        x, y = event.mouse_x - self.region.x, event.mouse_y - self.region.y
        within = 0 <= x < self.region.width and 0 <= y < self.region.height
        if event.type == "LEFTMOUSE" and within:
            if event.value == "PRESS":
                self.clicks.append((x, y, not event.ctrl))
            return {"RUNNING_MODAL"}
        if event.type == "MIDDLEMOUSE" or event.type.startswith("WHEEL"):
            self.clicks.clear()
        return {"PASS_THROUGH"}

    def send(self, context):
        self.end(context)
        points = [(x, self.region.height - y, inside) for x, y, inside in self.clicks]
        return self.attempt(lambda: self.ask(context, points))

    def end(self, context):
        context.space_data.draw_handler_remove(self.handle, "WINDOW")
        context.area.header_text_set(None)

    def dots(self):
        for colour, inside in ((INSIDE, True), (OUTSIDE, False)):
            places = [(x, y) for x, y, one in self.clicks if one == inside]
            if places:
                compat.draw_dots(places, colour, DOT)


class MAQUETTE_OT_click(Guarded, Clicking, bpy.types.Operator):
    bl_idname = "maquette.click"
    bl_label = "Select by Clicks"
    bl_description = "Click in the viewport what is meant of the active mesh; its faces are selected"
    bl_options = {"REGISTER"}

    by: bpy.props.EnumProperty(name="By", description="What decides", items=WAYS, default="auto")
    add: bpy.props.BoolProperty(name="Add", description="Keep what is selected already", default=False)

    @classmethod
    def complaint(cls, context):
        meshes.target(context, context.scene.maquette)
        return ""

    def invoke(self, context, event):
        if context.area is None or context.area.type != "VIEW_3D":
            self.report({"ERROR"}, words.say("Call this from a 3D viewport"))
            return {"CANCELLED"}
        return super().invoke(context, event)

    def ask(self, context, points):
        seen = clicks.sight(self.region, context.area.spaces.active.region_3d)
        item = context.view_layer.objects.active
        spec, inputs = clicks.of_mesh(item, seen, points, self.by)
        scripting.submit(spec, "ORIGIN", inputs, target=item.name, options={"add": self.add})


class MAQUETTE_OT_click_picture(Guarded, Clicking, bpy.types.Operator):
    bl_idname = "maquette.click_picture"
    bl_label = "Mask by Clicks"
    bl_description = "Click in the picture what is meant; a mask of it is made"
    bl_options = {"REGISTER"}

    @classmethod
    def complaint(cls, context):
        space = context.space_data
        if space is None or space.type != "IMAGE_EDITOR" or space.image is None:
            return "Open a picture in the Image Editor"
        pictures.check(space.image)
        return ""

    def ask(self, context, points):
        image = context.space_data.image
        width, height = image.size
        found = []
        for x, y, inside in points:
            u, v = self.region.view2d.region_to_view(x, self.region.height - y)
            found.append((u * width, (1.0 - v) * height, inside))
        spec, inputs = clicks.of_picture(image, found)
        scripting.submit(spec, "ORIGIN", inputs, target=image.name, options={"picture": image.name})


class MAQUETTE_OT_new_mask(bpy.types.Operator):
    bl_idname = "maquette.new_mask"
    bl_label = "New Mask"
    bl_description = "Make a black image to paint the selection on in white, of the size of the picture or texture"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        image = of_work(context)
        width, height = tuple(image.size) if image is not None and 0 not in tuple(image.size) else (1024, 1024)
        name = f"{image.name[:50]} mask" if image is not None else "Mask"
        mask = bpy.data.images.new(name, width, height, alpha=False, is_data=True)
        mask.generated_color = (0.0, 0.0, 0.0, 1.0)
        mask.use_fake_user = True
        context.scene.maquette.mask = mask
        if context.area is not None and context.area.type == "IMAGE_EDITOR":
            context.space_data.image = mask
            context.space_data.mode = "PAINT"
        else:
            self.report({"INFO"}, words.say(f"Paint what is meant in white on {mask.name}, in an Image Editor"))
        return {"FINISHED"}


def of_work(context):
    """The picture that a mask is for: what the image editor shows, else the texture of the active mesh."""
    space = context.space_data
    if space is not None and space.type == "IMAGE_EDITOR":
        return space.image
    from ..capture import appearance

    item = context.view_layer.objects.active
    try:
        worn = appearance.worn(item) if item is not None and item.type == "MESH" else None
    except wire.errors.MaquetteError:
        return None
    return bpy.data.images.get(worn.image) if worn is not None and worn.image else None


CLASSES = (MAQUETTE_OT_click, MAQUETTE_OT_click_picture, MAQUETTE_OT_new_mask)
