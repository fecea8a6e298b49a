# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows keep their ids and their marks when specs gain fields; any other value is another mark."""

from __future__ import annotations

from dataclasses import dataclass, field, make_dataclass, replace
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.batch import asked, manifest, runner
from protocol.specs import KINDS, AnimateSpec, Spec, TextTo3DSpec

PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8)

WRITTEN = (  # by the first version, which hashed all fields that a spec had then: row, its id, its digest
    ({"prompt": "a chair"}, "b6457ebe060d", "b6457ebe060d3606"),
    ({"prompt": "a chair", "seed": 3, "size_metres": 2, "gpus": 2}, "584c7cf89c90", "584c7cf89c9043c6"),
    ({"kind": "texture", "prompt": "oak", "engine": "distillation", "inputs": {"mesh": "chair.glb"}},
     "f0bc91a72841", "aad1e0184e5053ef"),
    ({"kind": "avatar", "prompt": "a tall woman in a red coat", "motion": "waves", "fps": 30},
     "1f4983452637", "1f49834526373f9d"),
    ({"kind": "animate", "prompt": "walks", "inputs": {"skeleton": "arrays.npz"}},
     "c7bbc247101a", "c5b4a7ec457edbf5"),
)


@pytest.mark.parametrize(("entry", "name", "digest"), WRITTEN)
def test_ledgers_of_the_first_version_know_their_rows(entry, name, digest):
    (row,) = manifest.rows([{**entry, "out": "{index}"}], {})
    assert (row.id, runner.digest(row)) == (name, digest)


@dataclass(frozen=True)
class KnitSpec(Spec):
    kind: ClassVar[str] = "knit"
    wool: str
    rows: int = 10


def later(cls, added):
    """The class with more fields: name -> default."""
    return make_dataclass(cls.__name__, [(name, object, field(default=value)) for name, value in added.items()],
                          bases=(cls,), frozen=True)


new_fields = st.dictionaries(st.from_regex("[a-z]{9,12}", fullmatch=True), PLAIN, min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(wool=st.text(max_size=5), rows=st.integers(0, 20), added=new_fields, data=st.data())
def test_a_new_field_changes_the_mark_only_where_it_says_something(wool, rows, added, data):
    newer = later(KnitSpec, added)
    old, new = KnitSpec(wool, rows), newer(wool, rows)
    assert asked.mark(old) == asked.mark(new)
    name = data.draw(st.sampled_from(sorted(added)))
    value = data.draw(PLAIN.filter(lambda one: one != added[name]))
    assert asked.mark(new) != asked.mark(replace(new, **{name: value}))
    assert asked.mark(old, "beside") != asked.mark(old)


@settings(max_examples=60, deadline=None)
@given(added=new_fields, seed=st.none() | st.integers(0, 99), name=st.text("abc", max_size=5))
def test_kinds_of_the_first_version_take_new_fields_too(added, seed, name):
    for spec in (TextTo3DSpec("a chair", seed=seed, name=name), AnimateSpec("walks", seed=seed, name=name)):
        newer = later(type(spec), {f"later_{one}": value for one, value in added.items()})
        assert asked.mark(newer(**spec.to_map())) == asked.mark(spec)


specs = st.builds(TextTo3DSpec, st.text("ab", min_size=1, max_size=2), seed=st.none() | st.integers(0, 3),
                  gpus=st.integers(1, 3), name=st.text("ab", max_size=2), effort=st.sampled_from([0.5, 1.0, 2.0]))


@given(one=specs, other=specs)
def test_two_rows_have_one_mark_only_when_they_ask_for_the_same(one, other):
    assert (asked.mark(one) == asked.mark(other)) == (one == other)


def test_the_first_fields_are_fields_still():
    """Whoever removes one changes the marks of all ledgers, and should know."""
    for kind, names in asked.FIRST.items():
        assert set(names.split()) <= set(KINDS[kind].__dataclass_fields__)
