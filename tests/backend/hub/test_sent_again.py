# SPDX-License-Identifier: GPL-3.0-or-later
"""A request that is sent again is known again, though the client or the hub was updated in between."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backend.hub import schema
from backend.hub.desk import Desk
from backend.hub.store import Store, same_spec
from protocol import specs
from protocol.arrays import Descriptor
from protocol.errors import KeyConflict
from protocol.messages import Submit
from protocol.specs import Input, Spec, TextTo3DSpec

PLAIN = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | st.text(max_size=8)
JOB = "5" * 32


@dataclass(frozen=True)
class KnitSpec(Spec):
    """A kind of our own, so that its fields can come and go."""

    kind: ClassVar[str] = "knit"
    INPUTS: ClassVar[tuple[Input, ...]] = (
        Input("pattern", ("|u1",), (None,), required=False), Input("sample", ("|u1",), (None,), required=False),
    )
    wool: str
    rows: int = 10
    needles: float = 4.5


@contextmanager
def version(cls):
    """Client and hub know the kind as this class says."""
    before = specs.KINDS.get(cls.kind)
    specs.KINDS[cls.kind] = cls
    try:
        yield
    finally:
        if before is None:
            del specs.KINDS[cls.kind]
        else:
            specs.KINDS[cls.kind] = before


def later(cls, added):
    """The class with more fields: name -> default."""
    return make_dataclass(cls.__name__, [(name, object, field(default=value)) for name, value in added.items()],
                          bases=(cls,), frozen=True)


@contextmanager
def desk():
    store = Store(Path(":memory:"), lambda: 1.0)
    try:
        yield Desk(store, lambda: 0.0)
    finally:
        store.close()


def send(desk, spec, arrays=(), user="ann"):
    return desk.submit(user, Submit(bytes.fromhex(JOB), spec.kind, spec.to_map(), tuple(arrays)))


knitted = st.builds(KnitSpec, st.text(max_size=5), st.integers(0, 99), st.floats(0, 9))
new_fields = st.dictionaries(st.from_regex("[a-z]{9,12}", fullmatch=True), PLAIN, min_size=1, max_size=3)


@settings(max_examples=40, deadline=None)
@given(spec=knitted, added=new_fields)
def test_fields_that_came_with_an_update_stand_at_their_defaults(spec, added):
    newer = later(KnitSpec, added)
    same = newer(**spec.to_map())
    for before, after in ((KnitSpec, newer), (newer, KnitSpec)):
        for sent in (spec, same):
            with desk() as office:
                with version(before):
                    first = send(office, sent)
                with version(after):
                    for again in (spec, same):
                        assert send(office, again) == first
                assert len(office.store.newest_jobs("ann", 9, False)) == 1


@settings(max_examples=60, deadline=None)
@given(spec=knitted, other=knitted, added=new_fields, data=st.data())
def test_any_other_value_is_another_request(spec, other, added, data):
    newer = later(KnitSpec, added)
    with desk() as office:
        with version(KnitSpec):
            send(office, spec)
            if spec != other:
                with pytest.raises(KeyConflict):
                    send(office, other)
        name = data.draw(st.sampled_from(sorted(added)))
        value = data.draw(PLAIN.filter(lambda one: one != added[name]))
        with version(newer), pytest.raises(KeyConflict):
            send(office, newer(**{**spec.to_map(), name: value}))
        with version(KnitSpec), pytest.raises(KeyConflict):
            send(office, spec, user="ben")


@pytest.mark.parametrize("kind", sorted(specs.KINDS))
def test_each_field_of_each_kind_counts(kind):
    cls = specs.KINDS[kind]
    whole = {one.name: "x" if one.default is MISSING else one.default for one in fields(cls)}
    assert same_spec(kind, whole, whole)
    for one in fields(cls):
        assert not same_spec(kind, whole, {**whole, one.name: "something else"})
        rest = {name: value for name, value in whole.items() if name != one.name}
        assert same_spec(kind, rest, whole) == same_spec(kind, whole, rest) == (one.default is not MISSING)


def test_a_kind_that_is_not_known_must_be_equal():
    assert same_spec("teapot", {"a": 1}, {"a": 1}) and not same_spec("teapot", {"a": 1}, {"a": 1, "b": None})


def test_inputs_count_by_what_they_hold_not_by_their_order():
    one, two = Descriptor("pattern", "|u1", (4,), 4, b"\1" * 32), Descriptor("sample", "|u1", (5,), 5, b"\2" * 32)
    with desk() as office, version(KnitSpec):
        job = send(office, KnitSpec("red"), [one, two])
        assert send(office, KnitSpec("red"), [two, one]) == job
        for others in ([one], [], [one, Descriptor("sample", "|u1", (5,), 5, b"\3" * 32)],
                       [one, Descriptor("sample", "|u1", (6,), 6, b"\2" * 32)],
                       [Descriptor("pattern", "|u1", (5,), 5, b"\2" * 32),
                        Descriptor("sample", "|u1", (4,), 4, b"\1" * 32)]):
            with pytest.raises(KeyConflict):
                send(office, KnitSpec("red"), others)


def test_a_store_that_still_had_digests_knows_its_jobs_again(tmp_path):
    """Written by a hub of version 6 of the store, when a text to 3D job had fewer fields than now."""
    path = tmp_path / "hub.sqlite"
    db = sqlite3.connect(path, isolation_level=None)
    for script in schema.MIGRATIONS[:6]:
        db.executescript(script)
    db.execute("PRAGMA user_version=6")
    packed = b"\x82\xa6prompt\xa7a chair\xa6preset\xa5draft"  # {"prompt": "a chair", "preset": "draft"}
    db.execute(
        "INSERT INTO jobs(number, id, user, kind, spec, digest, title, state, created, updated) "
        "VALUES(1, ?, 'ann', 'text_to_3d', ?, ?, 'a chair', 'QUEUED', 5.0, 5.0)", (JOB, packed, b"\xab" * 32),
    )
    db.close()
    store = Store(path, lambda: 9.0)
    office = Desk(store, lambda: 0.0)
    assert send(office, TextTo3DSpec("a chair")).number == 1
    for other in (TextTo3DSpec("a table"), TextTo3DSpec("a chair", gpus=2), TextTo3DSpec("a chair", preset="paper")):
        with pytest.raises(KeyConflict):
            send(office, other)
    store.close()
