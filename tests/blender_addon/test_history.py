# SPDX-License-Identifier: GPL-3.0-or-later
"""Records and kept results on disk, without Blender: what survives, what is refused, what is deleted first."""

from __future__ import annotations

import os
import subprocess
import sys
import weakref

import numpy as np
import pytest

from blender_addon import notes
from blender_addon.history import KEPT_RECORDS, History, Record, estimate, lives
from blender_addon.results import LONG, SLICE, Results


def record(number: int = 1, **values) -> Record:
    known = {"kind": "text_to_3d", "spec": {"prompt": "a ball", "preset": "draft", "effort": 1.0}, "title": "a ball"}
    return Record(**(known | {"id": f"{number:032x}", "created": float(number)} | values))


def test_a_record_is_the_same_after_a_restart(tmp_path):
    first = History(tmp_path)
    first.put(record(1, matrix=tuple(map(float, range(16))), seed=2**62, accepted=True, file="f" * 32))
    first.change(f"{1:032x}", state="DONE", object_name="Ball")
    assert list(History(tmp_path)) == list(first)
    found = History(tmp_path).get(f"{1:032x}")
    assert (found.state, found.object_name, found.seed, found.matrix[15]) == ("DONE", "Ball", 2**62, 15.0)


def test_newest_first_and_orphans_oldest_first(tmp_path):
    history = History(tmp_path)
    for number in (1, 3, 2):
        history.put(record(number))
    history.put(record(4, state="DONE"))
    history.put(record(5, hub="tcp://10.0.0.5:5570"))
    history.put(record(6, owner=os.getpid() if os.name == "nt" else 1))  # somebody else's, and alive
    assert [int(one.id, 16) for one in history] == [6, 5, 4, 3, 2, 1]
    assert [int(one.id, 16) for one in history.orphans("", mine=-5)] == [1, 2, 3]


def test_broken_files_are_not_listed_and_not_touched(tmp_path):
    (tmp_path / ("a" * 32 + ".json")).write_text("{")
    (tmp_path / ("b" * 32 + ".json")).write_text('{"id": 5}')
    (tmp_path / "notes.json").write_text("{}")
    assert len(History(tmp_path)) == 0
    assert len(list(tmp_path.iterdir())) == 3


def test_a_newer_addons_fields_are_left_out(tmp_path):
    history = History(tmp_path)
    history.put(record(1))
    path = tmp_path / f"{1:032x}.json"
    path.write_text(path.read_text().replace('"kind"', '"invented": 3, "kind"'))
    assert History(tmp_path).get(f"{1:032x}") == record(1)


def test_what_another_blender_writes_is_seen(tmp_path):
    one, other = History(tmp_path), History(tmp_path)
    assert not one.refresh()
    other.put(record(2))
    os.utime(tmp_path, ns=(1, 1))  # clocks of file systems are coarse
    assert one.refresh() and one.get(f"{2:032x}") is not None
    other.delete(f"{2:032x}")
    os.utime(tmp_path, ns=(2, 2))
    assert one.refresh() and len(one) == 0


def test_only_the_newest_ended_records_stay_and_open_ones_always(tmp_path):
    history = History(tmp_path)
    history.put(record(1))
    history.put(record(2, state="DONE"))
    history.set_picture(f"{2:032x}", b"png")
    for number in range(3, KEPT_RECORDS + 3):
        history.put(record(number, state="DONE"))
    assert len(list(tmp_path.glob("*.json"))) == len(history) == KEPT_RECORDS + 1
    assert history.get(f"{1:032x}") is not None and history.get(f"{2:032x}") is None
    assert not history.picture(f"{2:032x}").exists()


def test_the_end_of_a_process_is_noticed():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    assert lives(child.pid) and lives(os.getpid()) and not lives(0)
    child.communicate(b"\n")
    assert not lives(child.pid)


# --- estimates --------------------------------------------------------------------------------------------------------


def took(number: int, seconds: float, **values) -> Record:
    spec = {"prompt": "a ball", "preset": "draft", "prior": "", "effort": 1.0} | values.pop("spec", {})
    return record(number, state="DONE", seconds=seconds, spec=spec, **values)


def test_an_estimate_is_the_median_of_jobs_alike_scaled_by_effort():
    spec = {"preset": "draft", "prior": "", "effort": 2.0}
    alike = [took(5, 40.0), took(4, 90.0), took(3, 30.0, spec={"effort": 0.5})]  # 40, 90, 60 at effort 1
    others = [
        took(6, 999.0, hub="tcp://10.0.0.5:5570"), took(7, 999.0, spec={"preset": "paper"}),
        took(8, 999.0, spec={"prior": "other"}),
    ]
    assert estimate(alike + others, "", "text_to_3d", spec) == pytest.approx(120.0)
    assert estimate(others, "", "text_to_3d", spec) is None
    assert estimate(alike, "", "texture", spec) is None


def test_before_the_first_end_the_workers_own_plan_counts():
    running = record(9, told=50.0, spec={"preset": "draft", "effort": 0.5})
    assert estimate([running], "", "text_to_3d", {"preset": "draft", "effort": 1.0}) == pytest.approx(100.0)


# --- kept results -----------------------------------------------------------------------------------------------------


def arrays(size: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(size)
    return {
        "vertices": random.random((size // 12, 3)).astype(np.float32),
        "base_colour": random.integers(0, 256, 100, dtype=np.uint8),
        "nothing": np.zeros((0, 2), np.int32),
    }


def test_a_kept_result_comes_back_bit_by_bit_and_is_written_in_slices(tmp_path):
    kept = Results(tmp_path, 1 << 30)
    given = arrays(3 * SLICE + 12)
    kept.keep("a" * 32, given, {"seed": 7})
    assert kept.busy and not kept.has("a" * 32)
    steps = 0
    while kept.busy:
        assert not kept.has("a" * 32)
        kept.step()
        steps += 1
    assert steps >= 5 and kept.has("a" * 32)
    got, report = Results(tmp_path, 1 << 30).load("a" * 32)
    assert report == {"seed": 7} and set(got) == set(given)
    for name, array in given.items():
        assert got[name].dtype == array.dtype and np.array_equal(got[name], array)


def test_an_array_that_is_written_is_given_back_at_the_beginning_of_a_tick(tmp_path):
    kept = Results(tmp_path, 1 << 30)
    given = {"large": np.zeros(LONG, np.uint8), "other": np.zeros(SLICE, np.uint8)}
    lives = weakref.ref(given["large"])
    kept.keep("a" * 32, given, {})
    given.clear()
    while kept.step():  # as the ticks do: go on until the next step is a long one
        assert lives() is not None
    assert lives() is not None and kept.busy
    kept.step()
    assert lives() is None and kept.busy


def test_the_least_used_go_first_when_there_is_no_room(tmp_path):
    kept = Results(tmp_path, (3 << 20) + 10_000)
    for number, name in enumerate("abc"):
        kept.keep(name * 32, arrays(1 << 20), {})
        kept.finish()
        os.utime(tmp_path / (name * 32), (number, number))
    kept.load("a" * 32)  # used just now
    kept.keep("d" * 32, arrays(1 << 20), {})
    kept.finish()
    assert [kept.has(name * 32) for name in "abcd"] == [True, False, True, True]


def test_a_copy_that_was_cut_off_is_none(tmp_path):
    kept = Results(tmp_path, 1 << 30)
    kept.keep("a" * 32, arrays(4 * SLICE), {})
    kept.step()
    assert Results(tmp_path, 1 << 30).load("a" * 32) is None
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_copy_is_none(tmp_path):
    kept = Results(tmp_path, 1 << 30)
    kept.keep("a" * 32, arrays(SLICE), {})
    kept.finish()
    path = tmp_path / ("a" * 32) / "vertices.npy"
    path.write_bytes(path.read_bytes()[:-100])
    assert kept.load("a" * 32) is None
    kept.drop("a" * 32)
    assert list(tmp_path.iterdir()) == []


# --- notes in pictures ------------------------------------------------------------------------------------------------


def test_a_picture_of_the_history_says_how_it_was_made(tmp_path, make_png):
    history = History(tmp_path)
    history.put(record(1, seed=9))
    plain = make_png(np.full((4, 4, 3), 7, np.uint8))
    path = history.set_picture(f"{1:032x}", plain)
    note = notes.read(path.read_bytes())
    assert note == {"kind": "text_to_3d", "spec": record(1).spec, "seed": 9}
    assert notes.read(plain) is None and len(path.read_bytes()) > len(plain)


@pytest.mark.parametrize(
    "damage",
    [
        lambda png: b"", lambda png: b"GIF89a", lambda png: png[:40], lambda png: png.replace(b'{"a"', b'{{"a'),
        lambda png: png[:33] + b"\xff\xff\xff\xff" + png[37:],
    ],
)
def test_a_damaged_picture_has_no_note_and_raises_nothing(make_png, damage):
    png = notes.write(make_png(np.zeros((2, 2, 3), np.uint8)), {"a": 1})
    assert notes.read(png) == {"a": 1} and notes.read(damage(png)) is None


def test_what_is_no_picture_or_too_long_stays_as_it_is(make_png):
    png = make_png(np.zeros((2, 2, 3), np.uint8))
    assert notes.write(b"no picture", {"a": 1}) == b"no picture"
    assert notes.write(png, {"a": "x" * notes.LIMIT}) == png
