# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers, times and errors as an artist reads them, in the artist's language."""

from __future__ import annotations

from typing import Any

from . import translations


def say(text: str, **values: Any) -> str:
    """A sentence in the language of Blender's interface; values go into its {places} after it was translated.

    Without values it may also be a finished sentence, such as an error's message, see `translations.sentence`.
    """
    if not values:
        return translations.sentence(text)
    return translations.say(text).format(**values)


def duration(seconds: float) -> str:
    """12 s, 3 min, 1 h 20 min: rounded to what a person plans with."""
    if seconds < 90.0:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60.0)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def ago(seconds: float) -> str:
    """How long something is past."""
    if seconds < 60.0:
        return say("just now")
    if seconds < 3600.0:
        return say("{count} min ago", count=int(seconds // 60))
    if seconds < 86400.0:
        return say("{count} h ago", count=int(seconds // 3600))
    return say("{count} d ago", count=int(seconds // 86400))


def progress(job: Any) -> str:
    """What a job is doing and how long it still takes, for the text in its bar."""
    parts = [say(job.stage.replace("_", " ")) if job.state == "RUNNING" and job.stage else say(job.words)]
    if job.state == "QUEUED" and job.position is not None:
        parts.append(say("next") if job.position == 0 else say("{count} before it", count=job.position))
    if job.seconds_left is not None and job.state == "RUNNING":
        parts.append(say("{time} left", time=duration(job.seconds_left)))
    return ", ".join(parts)


def problem(error: Exception) -> tuple[str, str]:
    """(what happened, what to do) of an error; the second is empty where nobody knows."""
    return str(getattr(error, "message", "") or error), str(getattr(error, "hint", ""))


def whole(error: Exception) -> str:
    """What happened and what to do, in one line and in the artist's language, for Blender's reports."""
    return " ".join(say(part) for part in problem(error) if part)
