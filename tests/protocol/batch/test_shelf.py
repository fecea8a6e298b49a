# SPDX-License-Identifier: GPL-3.0-or-later
"""What a batch keeps for its .blend files, and the plans that it makes of that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from protocol.batch import manifest, shelf
from protocol.batch.runner import Outcome


def rows(blend: str = "all.blend"):
    texture = {"kind": "texture", "prompt": "moss", "out": "t", "inputs": {"object": "Crate"}}
    return [replace(row, blend=blend) for row in manifest.rows([
        texture, {"prompt": "a ball", "out": "b"}, {"kind": "learn", "word": "blorp", "noun": "mug", "out": "w",
                                                   "inputs": {f"picture_{n}": "p.png" for n in range(3)}},
    ], {})]


def kept(tmp_path) -> shelf.Shelf:
    store = shelf.Shelf(tmp_path, tmp_path / "state")
    store.keep("t", {"base_colour": np.arange(3)}, {"faces": np.arange(4)}, {"target": "Crate"})
    store.keep("b", {"faces": np.arange(5)}, {}, {})
    for name in "tb":
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text("{}")
    return store


def test_a_plan_says_what_lies_on_what(tmp_path):
    (tmp_path / "p.png").write_bytes(b"a")
    store, (texture, ball, word) = kept(tmp_path), rows()
    outcomes = [Outcome(texture, "done", "t"), Outcome(ball, "skipped", "b"), Outcome(word, "done", "w")]
    ((path, plan),) = store.plans(outcomes)
    assert path == tmp_path / "all.blend"
    first, second = plan["objects"]  # a learned word stands in no scene
    assert (first["kind"], first["facts"], second["kind"], second["facts"]) == (
        "texture", {"target": "Crate"}, "text_to_3d", {})
    with np.load(first["stage"]) as stage, np.load(first["arrays"]) as arrays:
        assert stage["faces"].tolist() == [0, 1, 2, 3] and arrays["base_colour"].tolist() == [0, 1, 2]
    assert second["stage"] == "" and second["report"].endswith("report.json")


def test_only_what_is_new_or_missing_is_planned(tmp_path):
    store, (texture, ball, _) = kept(tmp_path), rows("x.blend")
    assert store.kept(texture, "t") and store.kept(ball, "b") and not store.kept(ball, "nothing")
    assert store.kept(replace(ball, blend=""), "nothing"), "without a .blend its files are enough"
    old = [Outcome(texture, "skipped", "t"), Outcome(ball, "skipped", "b")]
    assert [path.name for path, _ in store.plans(old)] == ["x.blend"]
    (tmp_path / "x.blend").write_bytes(b"")
    assert list(store.plans(old)) == []
    assert len(list(store.plans([*old[:1], Outcome(ball, "done", "b")]))) == 1
    store.drop("b")
    assert not store.kept(ball, "b") and store.kept(texture, "t")
