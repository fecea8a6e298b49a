# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors keep their class, words and detail over the wire; nonsense from a peer never raises."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol import errors
from protocol.errors import BadRequest, MaquetteError, OutOfSpace


@pytest.mark.parametrize("kind", [*errors._BY_CODE.values(), MaquetteError])
def test_round_trip_keeps_everything(kind):
    error = kind("What happened.", hint="What to do.", stage="coarse", attempt=2, detail={"need": 5})
    again = MaquetteError.from_map(error.to_map())
    expected = errors.InternalError if kind is MaquetteError else kind  # the base has the code `internal`
    assert type(again) is expected
    assert again.to_map() == error.to_map()
    assert str(again) == "What happened. (while: coarse) What to do."


def test_codes_are_unique():
    ours = [one for one in errors._subclasses(MaquetteError) if one.__module__ == errors.__name__]
    codes = [one.code for one in ours]
    assert len(codes) == len(set(codes))


def test_unknown_code_stays_readable():
    again = MaquetteError.from_map({"code": "from_the_future", "kind": "resource", "message": "No."})
    assert type(again) is MaquetteError
    assert (again.code, again.kind, again.message) == ("from_the_future", "resource", "No.")


def test_path_and_long_text():
    assert BadRequest("x", path="seed").path == "seed"
    assert len(OutOfSpace("y" * 10_000).to_map()["message"]) == errors.MAX_TEXT
    told = MaquetteError.from_map({"message": "y" * 10_000, "hint": "z" * 10_000, "detail": {"k" * 99: "v" * 10_000}})
    assert len(told.message) == len(told.hint) == len(told.detail["k" * 64]) == errors.MAX_TEXT


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(plain | st.dictionaries(st.sampled_from(["code", "kind", "message", "detail", "attempt", "stage"]), plain))
def test_nonsense_becomes_an_error_not_an_exception(values):
    error = MaquetteError.from_map(values)
    assert isinstance(error, MaquetteError)
    assert MaquetteError.from_map(error.to_map()).to_map() == error.to_map()
