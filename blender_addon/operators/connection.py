# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the connection: reach for the hub again, let go of it."""

import bpy

from .. import link, wire


class MAQUETTE_OT_connect(bpy.types.Operator):
    bl_idname = "maquette.connect"
    bl_label = "Connect"
    bl_description = "Connect to the hub, or start the one of this machine. Running jobs are taken up again"
    bl_options = {"REGISTER"}

    def execute(self, context):
        try:
            link.current().connect()
        except wire.errors.MaquetteError as error:
            self.report({"ERROR"}, str(error))
            return {"CANCELLED"}
        return {"FINISHED"}


class MAQUETTE_OT_disconnect(bpy.types.Operator):
    bl_idname = "maquette.disconnect"
    bl_label = "Disconnect"
    bl_description = "Let go of the hub; the hub of this machine is stopped. Jobs are kept and taken up at Connect"
    bl_options = {"REGISTER"}

    def execute(self, context):
        link.current().disconnect()
        return {"FINISHED"}


CLASSES = (MAQUETTE_OT_connect, MAQUETTE_OT_disconnect)
