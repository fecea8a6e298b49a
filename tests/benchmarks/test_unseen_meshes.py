# SPDX-License-Identifier: GPL-3.0-or-later
"""The meshes of the texturing benchmark are sound, and its prompts ask for held-out combinations."""

from __future__ import annotations

import pytest
import trimesh

from backend.embedded.objects import CORE, Recipe, is_held_out
from backend.embedded.objects.palette import PATTERNS
from tests.benchmarks import unseen_meshes
from tests.benchmarks.texturing_words import ASKED


@pytest.mark.parametrize("name", [*unseen_meshes.MADE, *unseen_meshes.INSTEAD])
def test_made_meshes_face_outwards(name: str) -> None:
    mesh = unseen_meshes.load(name)
    solid = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    assert solid.is_winding_consistent and solid.volume > 0
    assert name not in CORE.kinds  # what the shipped priors were taught


def test_coloured_patterns_are_combinations_that_shapes_of_no_kind_held_out() -> None:
    assert len(ASKED) == 20 and {words.place for words in ASKED} == set(range(10))
    for words in ASKED:
        if words.colour and words.pattern != "plain":
            assert is_held_out(Recipe("object", words.colour, words.pattern)), words
        assert words.pattern in PATTERNS
    assert len(unseen_meshes.names()) == 10
