# SPDX-License-Identifier: GPL-3.0-or-later
"""How the hub is reached and how that stands; and the line in Blender's status bar."""

import bpy

from .. import connection, installation, link, preferences, words
from . import parts

STATE_ICONS = {
    link.State.OFF: "UNLINKED",
    link.State.STARTING: "TIME",
    link.State.CONNECTING: "TIME",
    link.State.CONNECTED: "LINKED",
    link.State.BUSY: "TIME",
    link.State.OFFLINE: "ERROR",
    link.State.WRONG_KEY: "LOCKED",
    link.State.OLD: "ERROR",
    link.State.PROBLEM: "ERROR",
}
NOTICE_S = 12.0
"""How long the status bar tells that a job has ended."""


class MAQUETTE_PT_connection(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_connection"
    bl_label = "Connection"
    bl_parent_id = "MAQUETTE_PT_main"

    def draw(self, context):
        layout = self.layout
        current = link.current()
        row = layout.row(align=True)
        state = words.say(current.state.value)
        row.label(text=state[:1].upper() + state[1:], icon=STATE_ICONS[current.state], translate=False)
        if current.state.standing:
            row.operator("maquette.disconnect", text="", icon="X")
        row.operator("maquette.preferences", text="", icon="PREFERENCES")
        layout.label(text=where(), icon="NETWORK_DRIVE", translate=False)
        if installation.current().running:
            draw_installation(layout)
        elif not current.state.standing:
            layout.operator("maquette.connect", icon="LINKED")
        if current.state is link.State.OFFLINE and current.problem is None:
            parts.paragraph(layout, context, "The hub does not answer. It is tried again and again", icon="INFO")


def where() -> str:
    """Which hub it is, in words."""
    address = connection.hub_key()
    if address == "?":
        return words.say("The pairing string cannot be read")
    if not address:
        return words.say("The hub of this machine")
    name = link.current().connection.hub_name
    paired = words.say("studio's hub") if preferences.settings().pairing.strip() else words.say("hub without keys")
    return f"{paired}, {address.removeprefix('tcp://')}" + (f" ({name})" if name else "")


def draw_installation(layout) -> None:
    """How far an installation is, and the button that stops it."""
    from .. import compat

    current = installation.current()
    compat.progress_bar(layout, current.fraction, f"{current.fraction:.0%}  {words.say(current.title)}")
    if current.line:
        layout.label(text=current.line[:80], translate=False)
    layout.operator("maquette.cancel_install", icon="CANCEL")


def status_line() -> tuple[str, str] | None:
    """(text, icon) of what the status bar adds: how far the jobs are, for a while that one has ended; else None."""
    if link._link is None or not preferences.settings().status_bar:
        return None
    current = link.current()
    notice = current.arrivals.notice
    if notice is not None and current._clock() - notice[2] < NOTICE_S:
        name, well, _ = notice
        if well:
            return words.say("Maquette: {name} is done", name=name), "CHECKMARK"
        return words.say("Maquette: {name} failed", name=name), "ERROR"
    running = [job for job in current.jobs.running() if job.state != "PAUSED"]
    if not running:
        return None
    more = f" (+{len(running) - 1})" if len(running) > 1 else ""
    return f"Maquette: {running[0].fraction:.0%} {words.progress(running[0])}{more}", "SORTTIME"


def draw_status(self, context) -> None:
    """Blender calls this after it has drawn its own status bar."""
    line = status_line()
    if line is not None:
        self.layout.label(text=line[0], icon=line[1], translate=False)


def register() -> None:
    bpy.types.STATUSBAR_HT_header.append(draw_status)


def unregister() -> None:
    bpy.types.STATUSBAR_HT_header.remove(draw_status)


CLASSES = (MAQUETTE_PT_connection,)
