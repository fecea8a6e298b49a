# SPDX-License-Identifier: GPL-3.0-or-later
"""What was made before: picture, prompt, seed, and the ways back to it."""

import time

import bpy

from .. import kinds, link, thumbnails, words
from . import parts

PAGE = 6
PICTURE_SCALE = 2.6
ICONS = {"KEPT": "FILE_TICK", "FAILED": "ERROR", "CANCELLED": "X"}
"""Of what did not end in a scene; what did has the icon of its kind."""


class MAQUETTE_PT_history(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_history"
    bl_label = "History"
    bl_parent_id = "MAQUETTE_PT_main"
    bl_options = {"DEFAULT_CLOSED"}

    def draw(self, context):
        layout = self.layout
        view = context.window_manager.maquette
        found = matching(view.search)
        if not found and not view.search:
            layout.label(text="Nothing was made yet")
            return
        layout.prop(view, "search", text="", icon="VIEWZOOM")
        if not found:
            layout.label(text="Nothing here")
            return
        pages = (len(found) + PAGE - 1) // PAGE
        page = min(view.page, pages - 1)
        for record in found[page * PAGE : (page + 1) * PAGE]:
            draw_record(layout.box(), context, record)
        if pages > 1:
            row = layout.row(align=True)
            back = row.row(align=True)
            back.enabled = page > 0
            back.operator("maquette.page", text="", icon="TRIA_LEFT").step = -1
            row.label(text=f"{page + 1} / {pages}", translate=False)
            on = row.row(align=True)
            on.enabled = page < pages - 1
            on.operator("maquette.page", text="", icon="TRIA_RIGHT").step = 1


def matching(search: str) -> list:
    """The ended jobs, newest first, whose prompt or name has these letters."""
    wanted = search.strip().lower()
    return [
        one for one in link.current().history
        if not one.open and wanted in f"{one.title} {one.spec.get('prompt', '')} {one.object_name}".lower()
    ]


def draw_record(box, context, record) -> None:
    box.label(text=str(record.spec.get("prompt") or record.title),
              icon=ICONS.get(record.state) or kinds.icon(record.kind), translate=False)
    picture = thumbnails.icon(record.id, link.current().history.picture(record.id))
    column = parts.beside_picture(box, picture, PICTURE_SCALE)
    seed = words.say("seed {seed}", seed=record.seed) if record.seed is not None else ""
    took = words.duration(record.seconds) if record.seconds else ""
    made = [str(record.spec.get("preset", "")), seed]
    when = [took, words.ago(max(0.0, time.time() - record.created))]
    for facts in (made, when):
        if any(facts):
            column.label(text=", ".join(one for one in facts if one), translate=False)
    buttons = column.row(align=True)
    if record.state in ("DONE", "KEPT"):
        if record.object_name and record.object_name in context.view_layer.objects:
            buttons.operator("maquette.show_result", text="", icon="RESTRICT_SELECT_OFF").job = record.id
        buttons.operator("maquette.bring", text="", icon="IMPORT").job = record.id
    buttons.operator("maquette.reuse", text="", icon="RECOVER_LAST").job = record.id
    buttons.operator("maquette.vary", text="", icon="MOD_PARTICLES").job = record.id
    buttons.operator("maquette.delete", text="", icon="TRASH").job = record.id
    if record.problem and record.state == "FAILED":
        parts.paragraph(box, context, record.problem, icon="ERROR", indent=5)


CLASSES = (MAQUETTE_PT_history,)
