# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel edits, saved with the scene: one property group at `scene.maquette`.

The names are those of the job's spec on the wire, so that what an artist reads in a tooltip, a script and a report is
one word. Running jobs are not kept here: they belong to the session, not to the file.
"""

import bpy

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

PRESETS = (
    ("draft", "Draft", "Minutes on two processor cores: a small object with a plain texture"),
    ("standard", "Standard", "Minutes on one graphics card: more detail"),
    ("paper", "Paper", "The full schedule of the Magic3D paper: long, for a large graphics card"),
)

PLACES = (
    ("CURSOR", "3D Cursor", "Stand the object at the 3D cursor"),
    ("ORIGIN", "World Origin", "Stand the object at the world's origin"),
    ("EMPTY", "Selected Empty", "Stand the object at the selected empty, turned like it"),
)

TEXTURE_SIZES = (
    ("0", "As Preset", "The size that the preset chooses"),
    ("512", "512", "512 x 512 pixels"),
    ("1024", "1024", "1024 x 1024 pixels"),
    ("2048", "2048", "2048 x 2048 pixels"),
    ("4096", "4096", "4096 x 4096 pixels"),
)

SEED_LIMIT = 2**31 - 1
"""Blender's own integers end here; scripts may use seeds up to 2^63 - 1."""


class MaquetteProperties(bpy.types.PropertyGroup):
    prompt: bpy.props.StringProperty(
        name="Prompt",
        description="What to make, in a few words: kind of thing, colour, material",
        default="",
    )
    negative_prompt: bpy.props.StringProperty(
        name="Avoid",
        description="What the object should not look like",
        default="",
    )
    preset: bpy.props.EnumProperty(
        name="Preset",
        description="How much time and detail",
        items=PRESETS,
        default="draft",
    )
    prior: bpy.props.StringProperty(
        name="Prior",
        description="Folder or id of the image model that judges the object. Empty: the one that comes with Maquette",
        default="",
    )
    seed: bpy.props.IntProperty(
        name="Seed",
        description="The same prompt, settings and seed make the same object",
        default=0,
        min=0,
        max=SEED_LIMIT,
    )
    randomise: bpy.props.BoolProperty(
        name="New Each Time",
        description="Draw a new seed whenever Generate is pressed. The seed that was used stays in the field",
        default=True,
    )
    size_metres: bpy.props.FloatProperty(
        name="Size",
        description="Largest dimension of the object",
        default=1.0,
        min=0.001,
        max=1000.0,
        soft_min=0.01,
        soft_max=20.0,
        unit="LENGTH",
    )
    place: bpy.props.EnumProperty(
        name="Place",
        description="Where the object stands",
        items=PLACES,
        default="CURSOR",
    )
    effort: bpy.props.FloatProperty(
        name="Effort",
        description="Multiplies the steps of the preset: below 1 is quicker and rougher, above 1 slower and finer",
        default=1.0,
        min=0.005,
        max=10.0,
        soft_min=0.1,
        soft_max=4.0,
    )
    texture_size: bpy.props.EnumProperty(
        name="Texture",
        description="Side of the square texture, pixels",
        items=TEXTURE_SIZES,
        default="0",
    )


CLASSES = (MaquetteProperties,)


def register() -> None:
    bpy.types.Scene.maquette = bpy.props.PointerProperty(type=MaquetteProperties)


def unregister() -> None:
    del bpy.types.Scene.maquette
