# SPDX-License-Identifier: GPL-3.0-or-later
"""Hands and eyes in Blender's window, for a program inside it: mouse, keys, what lies under the mouse, pictures.

A script is a generator that is moved on by a timer. It yields a number of seconds to rest, or a function that is asked
until it says true. Buttons are found as a person finds them: by moving the mouse over the panel and looking what it
points at, so no position is written down anywhere.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import bpy

Step = float | Callable[[], bool]
Script = Generator[Step, None, Any]

TICK_S = 0.02
SETTLE_S = 0.1
"""After which Blender has surely taken notice of a move."""
PATIENCE_S = 300.0
ROW = 13
"""Pixels between two looks on the way down the panel; a button is about 20 high."""


class Missing(Exception):
    """What was looked for is not there."""


class Hands:
    """The mouse and the keys of one window. The sidebar is that of its largest 3D viewport."""

    def __init__(self) -> None:
        self.window = bpy.context.window_manager.windows[0]
        self.position = (0, 0)

    @property
    def area(self) -> Any:
        areas = [area for area in self.window.screen.areas if area.type == "VIEW_3D"]
        return max(areas, key=lambda area: area.width * area.height)

    def region(self, kind: str) -> Any:
        return next(region for region in self.area.regions if region.type == kind)

    def move(self, x: float, y: float, rest: float = TICK_S) -> Script:
        self.position = (int(x), int(y))
        self._event("MOUSEMOVE", "NOTHING")
        yield rest

    def click(self, x: float, y: float) -> Script:
        yield from self.move(x, y)
        yield from self.press("LEFTMOUSE")

    def press(self, key: str, **modifiers: bool) -> Script:
        self._event(key, "PRESS", **modifiers)
        yield TICK_S
        self._event(key, "RELEASE", **modifiers)
        yield TICK_S

    def type(self, text: str) -> Script:
        names = {" ": "SPACE", ",": "COMMA", ".": "PERIOD"}
        for letter in text:
            key = names.get(letter) or letter.upper()
            self._event(key, "PRESS", unicode=letter)
            yield TICK_S / 2
            self._event(key, "RELEASE")
            yield TICK_S / 2

    def _event(self, kind: str, value: str, **more: Any) -> None:
        x, y = self.position
        self.window.event_simulate(type=kind, value=value, x=x, y=y, **more)

    # --- eyes ---

    def under_mouse(self) -> str:
        """What the mouse points at: `prompt` for a property, `maquette.generate` for an operator, empty for neither."""
        with bpy.context.temp_override(window=self.window, area=self.area, region=self.region("UI")):
            manager = bpy.context.window_manager
            manager.clipboard = ""
            if bpy.ops.ui.copy_python_command_button.poll():
                bpy.ops.ui.copy_python_command_button()
                return manager.clipboard.removeprefix("bpy.ops.").partition("(")[0]
            if bpy.ops.ui.copy_data_path_button.poll():
                bpy.ops.ui.copy_data_path_button()
                return manager.clipboard.rpartition(".")[2]
        return ""

    def find(self, wanted: str, *columns: float) -> Script:
        """Move over the sidebar from top to bottom until the mouse is on `wanted`, then to the middle of it.

        columns: where across the panel, 0 left to 1 right, in this order; the middle by default. What lies below the
        window's edge is scrolled to. The result is where it is; raises Missing.
        """
        seen: list[str] = []
        yield from self.scroll("WHEELUPMOUSE", 30)
        for _ in range(4):
            for column in columns or (0.5,):
                found = yield from self._look_for(wanted, column, seen)
                if found:
                    return found
            yield from self.scroll("WHEELDOWNMOUSE", 12)
        raise Missing(f"{wanted} is not in the sidebar; there are {', '.join(seen) or 'no buttons'}")

    def scroll(self, wheel: str, times: int) -> Script:
        region = self.region("UI")
        yield from self.move(region.x + region.width * 0.4, region.y + region.height * 0.5)
        for _ in range(times):
            self._event(wheel, "PRESS")
            yield 0.005
        yield 0.1

    def _look_for(self, wanted: str, column: float, seen: list[str]) -> Script:
        """Where `wanted` is in what shows now, None when it is not there."""
        region = self.region("UI")
        tabs = 24.0 * bpy.context.preferences.system.ui_scale
        x = region.x + column * (region.width - tabs)
        y = region.y + region.height - ROW / 2
        while y > region.y:
            yield from self.move(x, y)
            here = self.under_mouse()
            if here and here not in seen:
                seen.append(here)
            if here == wanted:
                for place in (y, y + ROW):  # while Blender is busy drawing, what it says may be a move late
                    top = yield from self._edge(wanted, x, place, 4)
                    bottom = yield from self._edge(wanted, x, place, -4)
                    if top != bottom:
                        yield from self.move(x, (top + bottom) / 2, SETTLE_S)
                        if self.under_mouse() == wanted:
                            return x, (top + bottom) / 2
            y -= ROW
        return None

    def _edge(self, wanted: str, x: float, y: float, step: int) -> Script:
        """How far up or down from here the button reaches; y itself when the mouse is not on it there."""
        at = y
        for _ in range(8):
            yield from self.move(x, at, SETTLE_S)
            if self.under_mouse() != wanted:
                break
            at += step
        return at if at == y else at - step

    def push(self, wanted: str, *columns: float) -> Script:
        """Find a button and click it.

        The mouse moves and clicks within one round of events: between rounds a panel with a running job is drawn anew,
        and Blender then forgets what the mouse was on.
        """
        x, y = yield from self.find(wanted, *columns)
        for nudge in (1, 0):
            self.position = (int(x) + nudge, int(y))
            self._event("MOUSEMOVE", "NOTHING")
        self._event("LEFTMOUSE", "PRESS")
        self._event("LEFTMOUSE", "RELEASE")
        yield TICK_S

    def picture(self, path: Path) -> Script:
        """A screenshot of the whole window after it was drawn anew."""
        for area in self.window.screen.areas:
            area.tag_redraw()
        yield 0.3
        with bpy.context.temp_override(window=self.window, area=self.area):
            bpy.ops.screen.screenshot(filepath=str(path))


def perform(script: Script, finish: Callable[[BaseException | None], None]) -> None:
    """Let a timer move the script on; `finish` gets what it raised, or None, and then Blender quits."""
    waiting: dict[str, Any] = {"for": None, "until": 0.0}

    def tick() -> float | None:
        try:
            if waiting["for"] is not None:
                if not waiting["for"]():
                    if time.monotonic() > waiting["until"]:
                        raise Missing(f"waited {PATIENCE_S:.0f} s in vain for {waiting['for'].__name__}")
                    return TICK_S
                waiting["for"] = None
            step = next(script)
            if callable(step):
                waiting["for"], waiting["until"] = step, time.monotonic() + PATIENCE_S
                return TICK_S
            return step
        except StopIteration:
            end(None)
        except BaseException as problem:
            traceback.print_exc()
            end(problem)
        return None

    def end(problem: BaseException | None) -> None:
        finish(problem)
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0 if problem is None else 1)

    bpy.app.timers.register(tick, first_interval=1.0, persistent=True)
