# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs that this Blender minds: what each does, how far it is, and the buttons for it."""

import bpy

from .. import compat, link, mending, thumbnails, words
from . import parts

ICONS = {"DONE": "CHECKMARK", "KEPT": "FILE_TICK", "FAILED": "ERROR", "CANCELLED": "X", "PAUSED": "PAUSE"}
PICTURE_SCALE = 2.6
PAUSABLE = ("QUEUED", "LEASED", "RUNNING", "RETRY_WAIT")


class MAQUETTE_PT_jobs(parts.Sidebar, bpy.types.Panel):
    bl_idname = "MAQUETTE_PT_jobs"
    bl_label = "Jobs"
    bl_parent_id = "MAQUETTE_PT_main"

    @classmethod
    def poll(cls, context):
        return len(link.current().jobs) > 0

    def draw(self, context):
        jobs = list(link.current().jobs)[::-1]
        jobs.sort(key=lambda job: job.over)  # what runs comes first
        for job in jobs:
            draw_job(self.layout.box(), context, job)
        if sum(job.over for job in jobs) > 1:
            self.layout.operator("maquette.forget_ended", icon="X")


def draw_job(box, context, job) -> None:
    """One job: its prompt and picture, what it does, made, or died of."""
    column = box.column(align=True)
    column.label(text=job.prompt, icon=ICONS.get(job.state, "SORTTIME"), translate=False)
    if not job.over:
        compat.progress_bar(column, job.fraction, words.progress(job))
    picture = thumbnails.icon(job.id, link.current().history.picture(job.id))
    row = (parts.beside_picture(box, picture, PICTURE_SCALE) if picture else column).row(align=True)
    if not job.over:
        row.label(text=job.text if job.state == "RUNNING" else "", translate=False)
        if job.state == "PAUSED":
            row.operator("maquette.resume", text="", icon="PLAY").job = job.id
        elif job.state in PAUSABLE:
            row.operator("maquette.pause", text="", icon="PAUSE").job = job.id
        row.operator("maquette.cancel", text="", icon="CANCEL").job = job.id
    else:
        seed = job.report.get("seed")
        made = job.state == "DONE" and seed is not None
        row.label(text=words.say("seed {seed}", seed=seed) if made else words.say(job.words), translate=False)
        if job.object_name:
            row.operator("maquette.show_result", text="", icon="RESTRICT_SELECT_OFF").job = job.id
            row.operator("maquette.vary", text="", icon="MOD_PARTICLES").job = job.id
        elif job.state == "KEPT":
            row.operator("maquette.bring", text="", icon="IMPORT").job = job.id
        row.operator("maquette.forget", text="", icon="X").job = job.id
    if job.state == "FAILED" and job.error is not None:
        parts.error(box, context, job.error, mending.of_job(job.error, job.id), indent=5)
    elif job.state == "CANCELLED":
        button = box.operator("maquette.retry", icon="FILE_REFRESH")
        button.job = job.id
    if job.state == "DONE" and job.report.get("needs_markers"):
        sure = words.say("Not sure of the joints ({percent}). Markers help", percent=f"{job.confidence:.0%}")
        parts.paragraph(box, context, sure, icon="INFO", indent=5)
        button = box.operator("maquette.place_markers", icon="EMPTY_AXIS")
        button.creature, button.target = str(job.report.get("creature", "")), job.target
    if job.state == "HELD":
        parts.paragraph(box, context, "It comes when you leave this mode, or the render ends", icon="INFO", indent=5)
    for warning in job.warnings:
        parts.paragraph(box, context, warning, icon="INFO", indent=5)
    if job.nearest_known and not any(job.nearest_known[0] in warning for warning in job.warnings):
        known = words.say("Not in what this prior knows. Nearest: {known}", known=", ".join(job.nearest_known))
        parts.paragraph(box, context, known, icon="INFO", indent=5)


CLASSES = (MAQUETTE_PT_jobs,)
