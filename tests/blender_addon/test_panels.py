# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sidebar draws, through a layout that writes it down: there is no window to draw in, but the panels' code,
the properties and the operators that they name are the real ones."""

from __future__ import annotations

from types import SimpleNamespace

import addon_utils
import bpy
import numpy as np
import pytest

from blender_addon import history, kinds, link, panels, preferences, thumbnails, wire, words
from blender_addon.apply.placement import Place
from blender_addon.jobs import Job


class Recorder:
    """Stands for `bpy.types.UILayout`: takes any flag, refuses properties and operators that do not exist."""

    def __init__(self, written: list[str] | None = None) -> None:
        self.written = [] if written is None else written

    def _child(self, **_):
        return Recorder(self.written)

    row = column = box = grid_flow = split = _child

    def label(self, text="", icon="NONE", translate=True):
        self._known_icon(icon)
        self.written.append(text)

    def prop(self, data, name, text=None, icon="NONE", expand=False, invert_checkbox=False):
        self._known_icon(icon)
        assert name in data.bl_rna.properties, name
        self.written.append(f"<{name}>")

    def operator(self, idname, text=None, icon="NONE", translate=True):
        group, _, name = idname.partition(".")
        properties = getattr(getattr(bpy.ops, group), name).get_rna_type().properties
        self._known_icon(icon)
        self.written.append(f"[{idname}]")
        return SimpleNamespace(**{one.identifier: "" for one in properties})

    def operator_menu_enum(self, idname, property, icon="NONE"):
        assert hasattr(self.operator(idname, icon=icon), property)

    def prop_search(self, data, name, search_data, search_property):
        assert name in data.bl_rna.properties and hasattr(search_data, search_property)
        self.written.append(f"<{name}>")

    def template_icon(self, number, scale):
        assert number > 0
        self.written.append("<thumbnail>")

    def template_ID(self, data, name, unlink=None, open=None):
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


# --- the kind switch, the prompt, the estimate ------------------------------------------------------------------------


def test_the_kinds_that_the_protocol_knows_are_offered_and_no_others(addon, monkeypatch):
    assert "<kind>" in drawn()
    wanted = [one.kind for one in kinds.KINDS if one.label and one.kind in wire.specs.KINDS]
    assert [one.kind for one in kinds.offered()] == wanted and len(wanted) > 4
    monkeypatch.setattr(wire.specs, "KINDS", {"text_to_3d": wire.specs.TextTo3DSpec})
    assert [one.kind for one in kinds.offered()] == ["text_to_3d"] and "<kind>" not in drawn()


def test_a_kind_shows_only_the_settings_that_matter_to_it(addon):
    properties = bpy.context.scene.maquette
    assert "<size_metres>" in drawn() and "<uvs>" not in drawn() and "<rig>" not in drawn()
    properties.kind = "texture"
    assert "<size_metres>" not in drawn() and "<uvs>" in drawn() and "<rig>" in drawn()


ALWAYS = {"kind", "search", "rig", "rig_count", "rig_elevation", "randomise"}
"""What is drawn beside the settings of a kind: the switch, the history's search, cameras, the dice."""


@pytest.mark.parametrize("kind", [one.kind for one in kinds.offered()])
def test_every_kind_draws_its_own_settings_and_no_others(addon, kind):
    properties = bpy.context.scene.maquette
    properties.kind, properties.verb = kind, "fill"
    recorder = Recorder()
    for panel in (panels.sidebar.MAQUETTE_PT_main, panels.sidebar.MAQUETTE_PT_advanced):
        panel.draw(SimpleNamespace(layout=recorder), bpy.context)
    seen = {one.strip("<>") for one in recorder.written if one.startswith("<")}
    entry = kinds.find(kind)
    hidden = {"pictures", "bone_map", "markers", "prompt_text"}  # buttons stand for them
    assert seen - ALWAYS == {*entry.settings, *entry.more} - hidden
    assert "[maquette.generate]" in recorder.written


def test_a_removal_asks_for_no_words(addon):
    properties = bpy.context.scene.maquette
    properties.kind, properties.verb = "inpaint", "remove"
    assert "<prompt>" not in drawn().split("[maquette.inpaint_picture]")[0]
    properties.verb = "fill"
    assert "<prompt>" in drawn().split("[maquette.inpaint_picture]")[0]


def test_a_selection_shows_what_it_needs(addon):
    bpy.ops.mesh.primitive_cube_add()
    properties = bpy.context.scene.maquette
    properties.kind = "inpaint"
    parts = {"FACES": "[maquette.click]", "GROUP": "<vertex_group>", "MASK": "[maquette.new_mask]"}
    for selection, part in parts.items():
        properties.selection = selection
        recorder = Recorder()
        panels.sidebar.MAQUETTE_PT_main.draw(SimpleNamespace(layout=recorder), bpy.context)
        assert part in recorder.written, selection


def test_a_doubtful_skeleton_offers_markers(addon):
    add_job("DONE", object_name="Rig", report={"needs_markers": True, "confidence": 0.35, "creature": "humanoid"})
    seen = drawn()
    assert "35%" in seen and "[maquette.place_markers]" in seen


def test_what_keeps_the_hub_away_is_told_once(addon, monkeypatch):
    """In the panel, with its buttons; in the background, where nobody looks at a panel, by the operator."""
    from blender_addon import declared

    told = []
    operator = SimpleNamespace(report=lambda kinds, text: told.append(text))
    problem = wire.errors.NotConnected("The hub ended.")
    link.current().problem = problem
    assert declared.Reporting.refused(operator, problem) == {"CANCELLED"} and told == ["The hub ended."]
    monkeypatch.setattr(declared, "bpy", SimpleNamespace(app=SimpleNamespace(background=False)))
    declared.Reporting.refused(operator, problem)
    assert told == ["The hub ended."]
    declared.Reporting.refused(operator, wire.errors.BadRequest("Something else."))
    assert told[1:] == ["Something else."]


def test_a_text_block_is_the_prompt_where_one_is_chosen(addon):
    properties = bpy.context.scene.maquette
    properties.prompt = "a short one"
    assert bpy.ops.maquette.prompt_block() == {"FINISHED"}
    block = properties.prompt_text
    assert block.as_string() == "a short one" and "<prompt_text>" in drawn() and "<prompt>" not in drawn()
    block.clear()
    block.write("a red  mushroom\nwith white spots\n")
    assert kinds.chosen(properties).spec(bpy.context, properties).prompt == "a red mushroom with white spots"
    assert bpy.ops.maquette.prompt_field() == {"FINISHED"}
    assert properties.prompt == "a red mushroom with white spots" and properties.prompt_text is None


def test_the_estimate_comes_from_what_was_measured_here(addon):
    properties = bpy.context.scene.maquette
    properties.prompt = "a tall tower"
    assert "No estimate yet" in drawn()
    spec = wire.specs.TextTo3DSpec("a vase").to_map()
    link.current().history.put(history.Record("a" * 32, "text_to_3d", spec, "a vase", created=1.0, seconds=80.0))
    assert "About 80 s" in drawn()
    properties.effort = 3.0
    assert "About 4 min" in drawn()
    properties.preset = "paper"
    assert "No estimate yet" in drawn()


def test_the_place_in_the_queue_and_the_pause_are_shown(addon):
    job = add_job("QUEUED", position=3)
    assert "waiting, 3 before it" in drawn() and "[maquette.pause]" in drawn()
    job.position = 0
    assert "waiting, next" in drawn()
    job.state = "PAUSED"
    assert "[maquette.resume]" in drawn() and "[maquette.pause]" not in drawn()


# --- the history ------------------------------------------------------------------------------------------------------


def test_the_history_has_pages_pictures_and_a_search(addon, make_png, monkeypatch):
    # Without a window Blender gives every picture the icon number 0.
    monkeypatch.setattr(thumbnails, "icon", lambda job, path: int(path.exists()))
    pages = link.current().history
    for number in range(8):
        spec = wire.specs.TextTo3DSpec(f"tower number {number}").to_map()
        pages.put(history.Record(f"{number:032x}", "text_to_3d", spec, "", created=float(number), state="DONE", seed=5))
    pages.set_picture(f"{7:032x}", make_png(np.full((8, 8, 3), 99, np.uint8)))
    seen = drawn()
    assert "tower number 7" in seen and "tower number 1" not in seen and "1 / 2" in seen
    assert seen.count("<thumbnail>") == 1
    assert all(f"[maquette.{name}]" in seen for name in ("reuse", "vary", "bring", "delete"))
    assert bpy.ops.maquette.page(step=1) == {"FINISHED"}
    assert "tower number 1" in drawn() and "tower number 7" not in drawn()
    bpy.context.window_manager.maquette.search = "NUMBER 3"
    assert "tower number 3" in drawn() and "tower number 7" not in drawn()
    bpy.context.window_manager.maquette.search = "castle"
    assert "Nothing here" in drawn()


def test_the_status_bar_tells_progress_and_for_a_while_the_end(addon):
    from blender_addon.panels import connection

    assert connection.status_line() is None
    job = add_job("RUNNING", stage="coarse", fraction=0.5, seconds_left=20.0)
    assert connection.status_line() == ("Maquette: 50% coarse, 20 s left", "SORTTIME")
    now = link.current()._clock()
    link.current().jobs.delivered(job, "Tall tower", now)
    link.current().arrivals._tell(job, True)
    assert connection.status_line() == ("Maquette: Tall tower is done", "CHECKMARK")
    link.current().arrivals.notice = ("Tall tower", True, now - 60.0)
    assert connection.status_line() is None


def test_the_preferences_are_drawn():
    from blender_addon.panels import preferences as page

    assert addon_utils.enable("blender_addon", default_set=True) is not None
    try:
        recorder = Recorder()
        page.draw(recorder, bpy.context, preferences.settings())
    finally:
        addon_utils.disable("blender_addon", default_set=True)
    for part in ("<pairing>", "<source>", "[maquette.install]", "<cache_megabytes>", "[maquette.paste_pairing]"):
        assert part in recorder.written


# --- text that fits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", [
    "Maquette does not know where its backend is installed.",
    "退出当前模式或渲染结束后即可载入。不知道后端安装在哪里,请安装",
    "Kopplungszeile des Studio-Hubs einfügen, oder Python auf eines setzen", "先验模型 (SD 1.5) 不知道这个词", "",
])
@pytest.mark.parametrize("room", [14, 24, 60])
def test_lines_are_full_and_none_is_too_long(text, room):
    def width(line: str) -> int:
        return sum(2 if "\u2e80" <= letter <= "\uffef" else 1 for letter in line)

    lines = panels.parts.wrapped(text, room)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    assert all(width(line) <= room + 2 for line in lines), "a comma may hang over"
    for line, after in zip(lines, lines[1:], strict=False):
        word = after[0] if "\u2e80" <= after[0] <= "\uffef" else after.split(" ")[0]
        assert width(line) + 1 + width(word) > room or len(word) > room, "the next word would have fitted"


def test_what_the_artist_wrote_is_not_translated(addon, monkeypatch):
    monkeypatch.setattr(words.translations, "say", lambda text: f"translated {text}")
    bpy.context.scene.maquette.prompt = "a red mushroom with white spots"
    assert "translated a red mushroom" not in drawn()


def test_what_runs_stands_first_and_ended_jobs_are_cleared_at_once(addon):
    running = add_job("RUNNING")
    ended = [add_job("DONE", object_name="Cube"), add_job("FAILED", error=wire.errors.Cancelled())]
    text = drawn()
    assert text.index("[maquette.pause]") < text.index("[maquette.forget]") and "[maquette.forget_ended]" in text
    assert bpy.ops.maquette.forget_ended() == {"FINISHED"}
    assert list(link.current().jobs) == [running] and all(one not in link.current().jobs for one in ended)
    assert "[maquette.forget_ended]" not in drawn()
