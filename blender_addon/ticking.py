# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes the add-on move: one persistent timer with a time budget, and handlers for undo and for opening files.

In background mode Blender never fires timers; scripts then drive the link themselves.
"""

from __future__ import annotations

import logging
from typing import Any

import bpy

from . import compat, installation, link, preferences
from .panels import connection as panel

log = logging.getLogger(__name__)

TICK_WORKING_S = 0.03
TICK_IDLE_S = 0.5
REFRESH_S = 3.0
"""How often the history is looked at for what another Blender has written."""

STATUS_EVERY_S = 1.0

_looked = 0.0
_shown: tuple[str, str] | None = None
_shown_at = 0.0
_begun = False


def tick() -> float:
    """What the timer runs. It must not raise: Blender would drop the timer, and the panel would freeze for good."""
    current = link._link
    if current is None:
        return TICK_IDLE_S
    try:
        _first_look(current)
        changed = current.pump(link.BUDGET_S)
        changed = installation.current().poll() or changed
        changed = _other_blenders(current) or changed
        if changed:
            compat.redraw_panels()
        _status_bar(current)
    except Exception:
        log.exception("Maquette could not handle what the hub sent")
    busy = current.jobs.running() or current.results.busy or installation.current().running
    return TICK_WORKING_S if busy else TICK_IDLE_S


def _first_look(current: link.Link) -> None:
    """Once after Blender has come up: the jobs that were running when it was closed."""
    global _begun
    if _begun or bpy.app.background:
        return
    _begun = True
    if preferences.settings().take_up:
        current.take_up()


def _other_blenders(current: link.Link) -> bool:
    global _looked
    now = current._clock()
    if now - _looked < REFRESH_S:
        return False
    _looked = now
    return current.history.refresh()


def _status_bar(current: link.Link) -> None:
    """Have the status bar redrawn when its line would read differently, once a second at most."""
    global _shown, _shown_at
    now = current._clock()
    if now - _shown_at < STATUS_EVERY_S:
        return
    _shown_at = now
    line = panel.status_line()
    if line != _shown:
        _shown = line
        compat.redraw_status_bar()


@bpy.app.handlers.persistent
def _after_undo_or_load(*_: Any) -> None:
    """Previews may have come back; the next tick removes them. A handler is no place to remove datablocks."""
    if link._link is not None:
        link._link.sweep_due = True
        link._link.arrivals.epoch += 1


HANDLERS = ("undo_post", "redo_post", "load_post")


def register() -> None:
    global _begun
    _begun = False
    link.start()
    for name in HANDLERS:
        getattr(bpy.app.handlers, name).append(_after_undo_or_load)
    bpy.app.timers.register(tick, first_interval=TICK_IDLE_S, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(tick):
        bpy.app.timers.unregister(tick)
    for name in HANDLERS:
        handlers = getattr(bpy.app.handlers, name)
        if _after_undo_or_load in handlers:
            handlers.remove(_after_undo_or_load)
    link.stop()
