# SPDX-License-Identifier: GPL-3.0-or-later
"""Numbers and errors as an artist reads them."""

from __future__ import annotations

from typing import Any


def duration(seconds: float) -> str:
    """12 s, 3 min, 1 h 20 min: rounded to what a person plans with."""
    if seconds < 90.0:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60.0)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


def progress(job: Any) -> str:
    """What a job is doing and how long it still takes, for the text in its bar."""
    parts = [job.stage.replace("_", " ") if job.state == "RUNNING" and job.stage else job.words]
    if job.seconds_left is not None and job.state == "RUNNING":
        parts.append(f"{duration(job.seconds_left)} left")
    return ", ".join(parts)


def problem(error: Exception) -> tuple[str, str]:
    """(what happened, what to do) of an error; the second is empty where nobody knows."""
    return str(getattr(error, "message", "") or error), str(getattr(error, "hint", ""))
