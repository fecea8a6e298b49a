# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators and the panel's settings declare alike: properties that both have, and what operators of jobs share.

Blender reads a property's declaration where it stands, so each of these makes a new one.
"""

from typing import Any

import bpy

from . import link, wire, words

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


def camera_count() -> Any:
    return bpy.props.IntProperty(name="Count", description="How many cameras are placed", default=8, min=1, max=64)


def camera_elevation() -> Any:
    return bpy.props.FloatProperty(
        name="Elevation", description="Height of the ring of cameras above the horizon",
        default=0.3490658503988659,  # 20 degrees
        min=-1.5, max=1.5, subtype="ANGLE",
    )


class Guarded:
    """An operator that says on its greyed-out button why it cannot run."""

    @classmethod
    def complaint(cls, context: Any) -> str:
        """The reason in a sentence, returned or raised as a MaquetteError; empty when there is none."""
        raise NotImplementedError

    @classmethod
    def poll(cls, context: Any) -> bool:
        try:
            said = cls.complaint(context)
        except wire.errors.MaquetteError as error:
            said = words.whole(error)
        if said:
            cls.poll_message_set(words.say(said))  # type: ignore[attr-defined]
        return not said


class Reporting:
    """An operator that tells an artist what went wrong."""

    def refused(self, error: Exception) -> set[str]:
        """Tell it, and give what `execute` returns then. What keeps the hub away stands in the panel with the buttons
        that mend it, so a window shows it nowhere else."""
        if bpy.app.background or error is not link.current().problem:
            self.report({"ERROR"}, words.whole(error))  # type: ignore[attr-defined]
        return {"CANCELLED"}


    def attempt(self, work: Any) -> set[str]:
        """Do it, and tell what is in the way."""
        try:
            work()
        except wire.errors.MaquetteError as error:
            return self.refused(error)
        return {"FINISHED"}


class OfJob(Reporting):
    """An operator about one job of the list or of the history."""

    job: bpy.props.StringProperty(name="Job", description="Id of the job", default="")
