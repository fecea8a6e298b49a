# SPDX-License-Identifier: GPL-3.0-or-later
"""Manifests become rows, with defaults, patterns and repeats; what is wrong is named with its job and its field."""

from __future__ import annotations

import json

import pytest

from protocol.batch import manifest
from protocol.errors import BadRequest

YAML = """
defaults:
  preset: draft
  seed: 7
  blend: "shelf_{preset}"
jobs:
  - a red mushroom
  - prompt: a blue chair
    seed: 3
    size_metres: 2
    place: [1, 0, -0.5]
    out: "{seed:04}/{prompt}"
    retries: 0
  - {prompt: 1984, name: Year, repeat: 2}
"""


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_with_defaults_patterns_and_repeats(tmp_path):
    rows = manifest.load(write(tmp_path, "m.yaml", YAML))
    assert [row.spec.prompt for row in rows] == ["a red mushroom", "a blue chair", "1984", "1984"]
    assert [row.spec.seed for row in rows] == [7, 3, 7, 8]
    assert [row.out for row in rows] == ["001_a_red_mushroom", "0003/a_blue_chair", "003_Year", "004_Year"]
    assert {row.blend for row in rows} == {"shelf_draft.blend"}
    assert rows[1].place == (1.0, 0.0, -0.5) and rows[1].spec.size_metres == 2.0 and rows[1].retries == 0
    assert rows[2].spec.name == "Year" and [row.number for row in rows] == [1, 2, 3, 4]


@pytest.mark.parametrize("mark", [",", ";"])
def test_a_table(tmp_path, mark):
    text = "prompt,seed,size_metres,reseed,place\n\"a red, round mushroom\",5,,true,0 1 2\na chair,,0.5,,\n\n"
    text = text.replace("\"a red, round mushroom\"", "@").replace(",", mark).replace("@", "\"a red, round mushroom\"")
    rows = manifest.load(write(tmp_path, "m.csv", "\ufeff" + text))
    assert [row.spec.prompt for row in rows] == ["a red, round mushroom", "a chair"]
    assert [row.spec.seed for row in rows] == [5, None]
    assert [row.reseed for row in rows] == [True, False] and rows[0].place == (0.0, 1.0, 2.0)
    assert rows[1].spec.size_metres == 0.5


def test_settings_go_over_defaults_but_not_over_rows(tmp_path):
    rows = manifest.load(write(tmp_path, "m.yaml", YAML), ["seed=100", "effort=0.5"])
    assert [row.spec.seed for row in rows] == [100, 3, 100, 101] and {row.spec.effort for row in rows} == {0.5}


def test_a_list_of_seeds_makes_a_row_each():
    rows = manifest.rows([{"prompt": "a", "seed": [4, 2]}], {})
    assert [row.spec.seed for row in rows] == [4, 2]


def test_ids_stay_when_other_rows_come():
    first = manifest.rows([{"prompt": "a"}, {"prompt": "a"}, {"prompt": "b", "id": "mine"}], {})
    later = manifest.rows([{"prompt": "new"}, {"prompt": "a"}, {"prompt": "a"}, {"prompt": "b", "id": "mine"}], {})
    assert [row.id for row in first] == [row.id for row in later[1:]]
    assert len({row.id for row in later}) == 4


@pytest.mark.parametrize(
    ("entries", "message", "hint"),
    [
        ([{"prompt": "a"}, {"prompt": ""}], "Job 2: The prompt is empty", ""),
        ([{"promt": "a"}], "Job 1: There is no setting called promt", "Is prompt meant"),
        ([{"prompt": "a", "seed": "many"}], "seed is 'many', expected int", ""),
        ([{"prompt": "a", "size_metres": True}], "size_metres is True, expected float", ""),
        ([{"prompt": "a", "effort": 99}], "effort", ""),
        ([{"prompt": "a", "out": "{nowhere}"}], "nowhere", "Known: "),
        ([{"prompt": "a", "out": "{prompt.upper}"}], "not known", ""),
        ([{"prompt": "a", "out": "../up"}], "inside the batch's folder", ""),
        ([{"prompt": "a", "out": "/up"}], "inside the batch's folder", ""),
        ([{"prompt": "a", "out": "{open"}], "cannot be read", ""),
        ([{"prompt": "a", "out": "x"}, {"prompt": "b", "out": "X"}], "both write to X", "{index}"),
        ([{"prompt": "a", "id": 1}, {"prompt": "b", "id": 1}], "given twice", ""),
        ([{"prompt": "a", "place": "left"}], "x, y and z", ""),
        ([{"prompt": "a", "repeat": 0}], "repeat", ""),
        ([{"prompt": "a", "kind": "sing"}], "no kind of job called sing", "text_to_3d"),
        ([{"prompt": {"a": 1}}], "expected text", ""),
        ([], "no jobs", ""),
    ],
)
def test_what_is_wrong_is_named(entries, message, hint):
    with pytest.raises(BadRequest) as refused:
        manifest.rows(entries, {})
    assert message in refused.value.message and hint in refused.value.hint


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("m.txt", "a", "is no manifest"),
        ("m.yaml", "a: 1", "a list called jobs"),
        ("m.yaml", "jobs: []\nmore: 1", "has more"),
        ("m.yaml", "defaults: [1]\njobs: [a]", "defaults are names"),
        ("m.yaml", "jobs: [[1]]", "expected a prompt"),
        ("m.csv", "prompt,prompt\na,b\n", "each once"),
        ("m.csv", "prompt\na,b\n", "more cells"),
        ("m.csv", 'prompt\n"open\n', "cannot be read"),
    ],
)
def test_files_that_are_no_manifest(tmp_path, name, text, message):
    with pytest.raises(BadRequest) as refused:
        manifest.load(write(tmp_path, name, text))
    assert message in refused.value.message
    (tmp_path / "latin.yaml").write_bytes(b"jobs: [\xff]")
    with pytest.raises(BadRequest, match="UTF-8"):
        manifest.load(tmp_path / "latin.yaml")


def test_a_setting_without_a_value_is_refused(tmp_path):
    with pytest.raises(BadRequest, match="name=value"):
        manifest.load(write(tmp_path, "m.yaml", YAML), ["seed"])


@pytest.mark.parametrize(
    ("text", "name"), [("a/b\\c:d", "a_b_c_d"), ("..", "_"), ("Pilz, rot", "Pilz_rot"), ("蘑菇", "蘑菇")]
)
def test_names_are_safe_for_files(text, name):
    assert manifest.safe(text) == name


def test_all_wrong_rows_are_told_at_once(tmp_path):
    """Two hundred rows with three mistakes are put right in one go, not in three."""
    jobs = [{"prompt": f"a mug {number}"} for number in range(200)]
    jobs[6], jobs[80] = {"prompt": " "}, {"prompt": "a", "sed": 3}
    jobs[150] = {"kind": "rig", "inputs": {"mesh": "no.glb"}}
    with pytest.raises(BadRequest) as refused:
        manifest.load(write(tmp_path, "m.json", json.dumps({"jobs": jobs})))
    assert refused.value.detail["jobs"] == [7, 81, 151]
    for part in ("3 jobs are wrong", "Job 7: The prompt is empty",
                 "Job 81: There is no setting called sed. Is seed meant",
                 "Job 151: no.glb cannot be read"):
        assert part in refused.value.message
