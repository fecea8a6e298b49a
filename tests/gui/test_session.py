# SPDX-License-Identifier: GPL-3.0-or-later
"""What an artist sees and does in Blender's window, judged from the report and the pictures of one session."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

PICTURES = ("1_tab", "2_problem", "3_preview", "4_result", "5_removed", "6_running", "7_history")


def test_the_tab_opens(step):
    assert step("tab")["panel_drawn"]


def test_a_prompt_can_be_typed(step):
    assert step("prompt")["prompt"] == "a red mushroom"


def test_a_missing_backend_is_told_and_mended_by_the_button(step):
    assert "does not know where its backend is installed" in step("problem")["problem"]
    assert step("mended")["problem"] == ""


def test_a_rough_mesh_appears_before_the_result(step):
    assert step("pressed")["before"] == []
    assert step("preview")["objects"] == ["Red mushroom (preview)"] and step("preview")["state"] == "RUNNING"
    result = step("result")
    assert (result["state"], result["objects"], result["error"]) == ("DONE", ["Red mushroom"], "")


def test_one_undo_takes_the_result_away_and_redo_brings_it_back(step):
    assert step("undone")["objects"] == []
    assert step("redone")["objects"] == ["Red mushroom"]


def test_a_piece_is_removed_and_undo_brings_it_back(step):
    removed = step("removed")
    assert (removed["state"], removed["error"]) == ("DONE", "")
    before, after = removed["before"], removed["after"]
    assert after["height"] < before["height"] and after["faces"] != before["faces"]
    assert after["open"] == before["open"] == 0 and after["maps"][:1] == before["maps"]
    assert step("restored")["after"] == before


def test_the_button_cancels_a_job_and_leaves_the_other(step):
    cancelled = step("cancelled")
    assert cancelled["state"] == "CANCELLED" and cancelled["objects"] == ["Red mushroom"]


def test_the_history_gives_its_settings_back(step):
    history = step("history")
    assert sorted(state for state, _ in history["records"]) == ["CANCELLED", "DONE", "DONE"]
    assert history["prompt"] == "a red mushroom"


def test_the_session_came_to_its_end(session):
    assert session["problem"] == ""
    assert "Traceback" not in session["said"], session["said"][-3000:]


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_show_a_window(session, name):
    """Not black, not empty: many colours, and the viewport's grey in its place."""
    pixels = np.asarray(Image.open(session["out"] / f"{name}.png").convert("RGB"))
    assert pixels.shape == (960, 1280, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200


def middle(session, name: str) -> np.ndarray:
    """(H, W, 3) of the part of the viewport where the object stands."""
    pixels = np.asarray(Image.open(session["out"] / f"{name}.png").convert("RGB")).astype(int)
    return pixels[360:570, 340:560]


def test_a_body_is_seen_while_it_takes_shape(session):
    """The first preview may be a ball of a dull colour, but the viewport's grey has no colour at all."""
    pixels = middle(session, "3_preview")
    assert ((pixels.max(axis=2) - pixels.min(axis=2) > 4) & (pixels.max(axis=2) > 60)).mean() > 0.2


def test_the_mushroom_is_seen_and_is_red(session):
    pixels = middle(session, "4_result")
    red = (pixels[..., 0] > 70) & (pixels[..., 0] > 2 * pixels[..., 1]) & (pixels[..., 0] > 2 * pixels[..., 2])
    assert red.mean() > 0.15
