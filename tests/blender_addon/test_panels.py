# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sidebar draws, through a layout that writes it down: there is no window to draw in, but the panels' code,
the properties and the operators that they name are the real ones."""

from __future__ import annotations

from types import SimpleNamespace

import bpy
import pytest

from blender_addon import link, panels, wire, words
from blender_addon.apply.placement import Place
from blender_addon.jobs import Job


class Recorder:
    """Stands for `bpy.types.UILayout`: takes any flag, refuses properties and operators that do not exist."""

    def __init__(self, written: list[str] | None = None) -> None:
        self.written = [] if written is None else written

    def _child(self, **_):
        return Recorder(self.written)

    row = column = box = grid_flow = _child

    def label(self, text="", icon="NONE", translate=True):
        self._known_icon(icon)
        self.written.append(text)

    def prop(self, data, name, text=None, icon="NONE", expand=False, invert_checkbox=False):
        self._known_icon(icon)
        assert name in data.bl_rna.properties, name
        self.written.append(f"<{name}>")

    def operator(self, idname, text=None, icon="NONE"):
        group, _, name = idname.partition(".")
        properties = getattr(getattr(bpy.ops, group), name).get_rna_type().properties
        self._known_icon(icon)
        self.written.append(f"[{idname}]")
        return SimpleNamespace(**{one.identifier: "" for one in properties})

    def template_icon(self, number, scale):
        assert number > 0
        self.written.append("<picture>")

    def template_ID(self, data, name, unlink=None):
        assert name in data.bl_rna.properties, name
        self.written.append(f"<{name}>")

    def progress(self, factor, text, type):
        assert 0.0 <= factor <= 1.0
        self.written.append(f"{factor:.0%} {text}")

    @staticmethod
    def _known_icon(icon):
        assert icon in bpy.types.UILayout.bl_rna.functions["label"].parameters["icon"].enum_items, icon


def drawn() -> str:
    recorder = Recorder()
    for panel in panels.CLASSES:
        if not hasattr(panel, "poll") or panel.poll(bpy.context):
            panel.draw(SimpleNamespace(layout=recorder), bpy.context)
    return "\n".join(recorder.written)


def add_job(state: str, **values) -> Job:
    job = Job(wire.client.new_job_id(), wire.specs.TextTo3DSpec("a tall tower"), Place("Scene"), 0.0, state=state)
    for name, value in values.items():
        setattr(job, name, value)
    link.current().jobs.add(job)
    return job


def test_first_sight(addon):
    seen = drawn()
    for part in ("<prompt>", "<preset>", "<size_metres>", "<place>", "<seed>", "[maquette.generate]", "Not connected"):
        assert part in seen
    assert "Type what to make into Prompt" in seen
    bpy.context.scene.maquette.prompt = "a tall tower"
    assert "Type what to make" not in drawn()


def test_a_working_job_shows_stage_and_time_left(addon):
    add_job("RUNNING", stage="carry_over", fraction=0.42, seconds_left=95.0)
    seen = drawn()
    assert "a tall tower" in seen and "42% carry over, 2 min left" in seen and "[maquette.cancel]" in seen


def test_a_done_job_offers_its_object_and_names_what_is_known(addon):
    known = {"kind": "tower", "alternatives": ["castle"], "sure": False}
    add_job("DONE", object_name="Tall tower", report={"nearest_known": known}, warnings=["It is open."])
    seen = drawn()
    assert "[maquette.show_result]" in seen and "tower, castle" in seen.replace("\n", " ") and "It is open." in seen


def test_a_failed_job_shows_what_happened_and_what_to_do(addon):
    add_job("FAILED", error=wire.errors.EmptySurface("There is no surface.", hint="Try another seed."))
    seen = drawn()
    assert "There is no surface." in seen and "Try another seed." in seen and "[maquette.cancel]" not in seen


def test_a_problem_of_the_connection_is_explained(addon):
    link.current().problem = wire.errors.NotConnected("The hub ended.", hint="See its log.")
    seen = drawn()
    assert "There is a problem" in seen and "The hub ended." in seen and "See its log." in seen
    assert "[maquette.connect]" in seen


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (42.4, "42 s"), (89.0, "89 s"), (95.0, "2 min"), (3600.0, "1 h"), (4800.0, "1 h 20 min")],
)
def test_durations(seconds, text):
    assert words.duration(seconds) == text
