# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on's preferences: which hub, the backend of this machine, how results arrive."""

from .. import installation, words
from . import connection, parts


def draw(layout, context, preferences) -> None:
    """Draw them into Blender's own preferences window."""
    box = layout.box()
    box.label(text="Hub of the Studio", icon="NETWORK_DRIVE")
    row = parts.form(box).row(align=True)
    row.prop(preferences, "pairing")
    row.operator("maquette.paste_pairing", text="", icon="PASTEDOWN")
    if preferences.pairing:
        row.operator("maquette.unpair", text="", icon="X")
    column = parts.form(box)
    column.active = not preferences.pairing.strip()
    column.prop(preferences, "address")
    box.label(text=connection.where(), icon="INFO", translate=False)

    box = layout.box()
    box.label(text="Backend of This Machine", icon="DESKTOP")
    column = parts.form(box)
    column.prop(preferences, "source")
    column.prop(preferences, "python")
    current = installation.current()
    if current.running:
        connection.draw_installation(box)
    else:
        row = box.row()
        row.operator("maquette.install", icon="IMPORT")
        if installation.installed_python():
            row.operator("maquette.uninstall", icon="TRASH")
            box.label(text=words.say("Installed: {path}", path=installation.installed_python()), translate=False,
                      icon="CHECKMARK")
    if current.problem is not None:
        parts.error(box, context, current.problem, ())
        box.operator("maquette.log", icon="TEXT").file = str(current.log)

    box = layout.box()
    box.label(text="Results", icon="MESH_MONKEY")
    column = parts.form(box)
    for name in ("show_preview", "take_up", "external_images", "status_bar", "cache_megabytes", "library"):
        column.prop(preferences, name)
