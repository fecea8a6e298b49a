# SPDX-License-Identifier: GPL-3.0-or-later
"""Several priors in one setting: how they are read, and what cannot be meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from backend.priors import catalog
from backend.priors.several import Part, parts_of
from protocol.errors import BadRequest


def test_names_and_weights_are_read_and_one_alone_stays_itself() -> None:
    assert parts_of("a folder/sd") == (Part("a folder/sd"),)
    assert parts_of("") == (Part(""),)
    assert parts_of("one @ 0.7 & owner/two @ 30") == (Part("one", 0.7), Part("owner/two", 30.0))
    assert parts_of("one + control & two@home") == (Part("one + control"), Part("two@home"))
    assert parts_of("one & two @ 0") == (Part("one"), Part("two", 0.0))


@pytest.mark.parametrize("setting", [
    "one @ much & two", "one @ -1 & two", "one @ nan & two", "one @ 2000 & two", "one & one @ 2",
    "one @ 0 & two", "a & b & c & d & e",
])
def test_what_cannot_be_meant_is_refused_with_the_setting(setting: str) -> None:
    with pytest.raises(BadRequest) as problem:
        parts_of(setting)
    assert problem.value.path == "prior"


def test_each_stage_has_its_own_and_the_first_leads(tmp_path: Path) -> None:
    setting = "a @ 2 & b @ 3, c & d"
    assert catalog.for_role(setting, "coarse") == "a" and catalog.for_role(setting, "fine") == "c"
    assert parts_of(catalog.of_role(setting, "coarse")) == (Part("a", 2.0), Part("b", 3.0))
    assert catalog.locate(f"{tmp_path} @ 0.5 & nowhere", "fine") == tmp_path
