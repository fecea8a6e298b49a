# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the connection: connect, let go, paste a key, see the log, install the backend."""

from pathlib import Path

import bpy

from .. import __package__ as base_package
from .. import installation, link, preferences, wire
from ..declared import Guarded, Reporting

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

LOG_LINES = 24


class MAQUETTE_OT_connect(Reporting, bpy.types.Operator):
    bl_idname = "maquette.connect"
    bl_label = "Connect"
    bl_description = "Connect to the hub, or start the one of this machine. Running jobs are taken up again"
    bl_options = {"REGISTER"}

    def execute(self, context):
        return self.attempt(link.current().connect)


class MAQUETTE_OT_disconnect(bpy.types.Operator):
    bl_idname = "maquette.disconnect"
    bl_label = "Disconnect"
    bl_description = "Let go of the hub; the hub of this machine is stopped. Jobs are kept and taken up at Connect"
    bl_options = {"REGISTER"}

    def execute(self, context):
        link.current().disconnect()
        return {"FINISHED"}


class MAQUETTE_OT_paste_pairing(Reporting, bpy.types.Operator):
    bl_idname = "maquette.paste_pairing"
    bl_label = "Paste Pairing String"
    bl_description = "Take the pairing string of a studio's hub from the clipboard, and connect"
    bl_options = {"REGISTER"}

    def execute(self, context):
        try:
            pairing = wire.keys.Pairing.parse(context.window_manager.clipboard)
        except wire.errors.MaquetteError as error:
            return self.refused(error)
        settings = preferences.settings()
        settings.pairing = pairing.text()
        context.preferences.is_dirty = True
        link.current().disconnect()
        return bpy.ops.maquette.connect()


class MAQUETTE_OT_unpair(bpy.types.Operator):
    bl_idname = "maquette.unpair"
    bl_label = "Forget Pairing"
    bl_description = "Forget the studio's hub and its key; the hub of this machine is used again"
    bl_options = {"REGISTER"}

    def execute(self, context):
        link.current().disconnect()
        preferences.settings().pairing = ""
        context.preferences.is_dirty = True
        return {"FINISHED"}


class MAQUETTE_OT_preferences(bpy.types.Operator):
    bl_idname = "maquette.preferences"
    bl_label = "Open Preferences"
    bl_description = "Show the add-on's preferences"
    bl_options = {"REGISTER", "INTERNAL"}

    def execute(self, context):
        bpy.ops.preferences.addon_show(module=base_package)
        return {"FINISHED"}


class MAQUETTE_OT_network(bpy.types.Operator):
    bl_idname = "maquette.network"
    bl_label = "Open Network Preferences"
    bl_description = "Show where online access is allowed"
    bl_options = {"REGISTER", "INTERNAL"}

    def execute(self, context):
        context.preferences.active_section = "SYSTEM"
        bpy.ops.screen.userpref_show("INVOKE_DEFAULT")
        return {"FINISHED"}


class MAQUETTE_OT_log(bpy.types.Operator):
    bl_idname = "maquette.log"
    bl_label = "Show Log"
    bl_description = "Show the end of the log"
    bl_options = {"REGISTER", "INTERNAL"}

    file: bpy.props.StringProperty(name="File", description="Path of the log; empty for the hub's", default="")

    def path(self):
        return Path(self.file) if self.file else link.current().connection.folder / "hub.log"

    def invoke(self, context, event):
        return context.window_manager.invoke_popup(self, width=720)

    def draw(self, context):
        layout = self.layout
        path = self.path()
        row = layout.row()
        row.label(text=str(path), translate=False)
        row.operator("wm.path_open", text="Open", icon="FILE_TEXT").filepath = str(path)
        column = layout.column(align=True)
        for line in tail(path, LOG_LINES):
            column.label(text=line[:160], translate=False)

    def execute(self, context):
        for line in tail(self.path(), LOG_LINES):
            print(line)
        return {"FINISHED"}


def tail(path: Path, lines: int) -> list[str]:
    """The last lines of a text file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 200 * lines))
            return file.read().decode("utf-8", errors="replace").splitlines()[-lines:]
    except OSError as error:
        return [f"The log cannot be read: {error}"]


class MAQUETTE_OT_install(Guarded, Reporting, bpy.types.Operator):
    bl_idname = "maquette.install"
    bl_label = "Install Backend"
    bl_description = "Make an environment for the backend and install it there. Blender's own Python stays as it is"
    bl_options = {"REGISTER"}

    @classmethod
    def complaint(cls, context):
        if installation.current().running:
            return "The backend is being installed"
        return "" if preferences.settings().source.strip() else "Say in Source where the backend comes from"

    def execute(self, context):
        return self.attempt(lambda: installation.current().begin(preferences.settings().source.strip()))


class MAQUETTE_OT_cancel_install(bpy.types.Operator):
    bl_idname = "maquette.cancel_install"
    bl_label = "Cancel"
    bl_description = "Stop installing and put away what was made"
    bl_options = {"REGISTER"}

    def execute(self, context):
        installation.current().cancel()
        return {"FINISHED"}


class MAQUETTE_OT_uninstall(bpy.types.Operator):
    bl_idname = "maquette.uninstall"
    bl_label = "Remove Backend"
    bl_description = "Delete the environment that was installed from here. Jobs and history stay"
    bl_options = {"REGISTER"}

    def invoke(self, context, event):
        return context.window_manager.invoke_confirm(self, event)

    def execute(self, context):
        link.current().disconnect()
        installation.current().remove()
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_connect, MAQUETTE_OT_disconnect, MAQUETTE_OT_paste_pairing, MAQUETTE_OT_unpair,
    MAQUETTE_OT_preferences, MAQUETTE_OT_network, MAQUETTE_OT_log, MAQUETTE_OT_install, MAQUETTE_OT_cancel_install,
    MAQUETTE_OT_uninstall,
)
