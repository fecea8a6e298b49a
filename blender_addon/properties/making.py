# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of what is made whole: the sentence, how it is made, where it stands, from where it is looked at."""

import bpy

from .. import declared, kinds, words
from ..seeds import SEED_LIMIT

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

PRESETS = (
    ("draft", "Draft", "Minutes on two processor cores: a small object with a plain texture"),
    ("standard", "Standard", "Minutes on one graphics card: more detail"),
    ("paper", "Paper", "The full schedule of the Magic3D paper: long, for a large graphics card"),
    ("best", "Best", "One graphics card, without hurry: the finest detail and a large texture"),
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

RIGS = (
    ("NONE", "Automatic", "Maquette chooses the views itself"),
    ("TURNTABLE", "Turntable", "A ring of views around the object"),
    ("SCENE", "Scene Cameras", "All cameras of the scene"),
    ("COLLECTION", "Collection", "All cameras of one collection"),
)

COLLECTIONS = (
    ("MAQUETTE", "Maquette", "A collection of its own, made when it is missing"),
    ("ACTIVE", "Active", "The collection that is active when the button is pressed"),
)

UVS = (
    ("AUTO", "As Needed", "The active UV map where it can be painted on, else a new one beside it"),
    ("GIVEN", "Active Map", "The active UV map"),
    ("NEW", "New Map", "A new UV map beside the others"),
)

_kinds: list = []  # Blender keeps no reference to what a callback gives it


def _offered(self, context):
    numbers = {one.kind: at for at, one in enumerate(kinds.KINDS)}  # what a file saves; the same in every version
    _kinds[:] = [(one.kind, words.say(one.label), one.description, one.icon, numbers[one.kind])
                 for one in kinds.offered()]
    return _kinds


def _is_camera_collection(self, collection):
    return any(item.type == "CAMERA" for item in collection.all_objects)


class Making:
    kind: bpy.props.EnumProperty(
        name="Work",
        description="What to do",
        items=_offered,
    )
    prompt: bpy.props.StringProperty(
        name="Prompt",
        description="What to make, in a few words: kind of thing, colour, material",
        default="",
    )
    prompt_text: bpy.props.PointerProperty(
        name="Text Block",
        description="A text block to take the prompt from in place of the field, for long prompts of several lines",
        type=bpy.types.Text,
    )
    picture: bpy.props.PointerProperty(
        name="Style",
        description="A picture in whose style it is made, for image models that can look at one",
        type=bpy.types.Image,
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
        name="Size (m)",
        description="Largest dimension of the object in metres, whatever the scene's unit is",
        default=1.0,
        min=0.001,
        max=1000.0,
        soft_min=0.01,
        soft_max=20.0,
        precision=3,
    )
    place: bpy.props.EnumProperty(
        name="Place",
        description="Where the object stands",
        items=PLACES,
        default="CURSOR",
    )
    uvs: bpy.props.EnumProperty(
        name="UV Map",
        description="Which coordinates the texture lies on. Existing UV maps stay as they are",
        items=UVS,
        default="AUTO",
    )
    object_name: bpy.props.StringProperty(
        name="Name",
        description="Name of the object. Empty: made from the prompt",
        default="",
        maxlen=63,
    )
    collection: bpy.props.EnumProperty(
        name="Collection",
        description="Where the object is filed",
        items=COLLECTIONS,
        default="MAQUETTE",
    )
    rig: bpy.props.EnumProperty(
        name="Cameras",
        description="From where the object is looked at",
        items=RIGS,
        default="NONE",
    )
    rig_collection: bpy.props.PointerProperty(
        name="Collection",
        description="The collection whose cameras are used",
        type=bpy.types.Collection,
        poll=_is_camera_collection,
    )
    rig_count: declared.camera_count()
    rig_elevation: declared.camera_elevation()
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
        name="Resolution",
        description="Side of the square texture, pixels",
        items=TEXTURE_SIZES,
        default="0",
    )
    style_scale: bpy.props.FloatProperty(
        name="Style Strength",
        description="How much the picture has to say: 0 nothing, 1 as the image model was made for",
        default=1.0,
        min=0.0,
        max=2.0,
    )
    count: bpy.props.IntProperty(
        name="Variations",
        description="How many objects are made of the same sentence, from seeds one after another",
        default=1,
        min=1,
        max=8,
    )
