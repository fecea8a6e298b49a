# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel edits, saved with the scene: one property group at `scene.maquette`.

The names are those of the job's spec on the wire, so that what an artist reads in a tooltip, a script and a report is
one word. Running jobs are not kept here: they belong to the session, not to the file.
"""

import bpy

from . import choices, declared, kinds
from .link import SEED_LIMIT

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

_kinds: list = []  # Blender keeps no reference to what a callback gives it


def _offered(self, context):
    numbers = {one.kind: at for at, one in enumerate(kinds.KINDS)}  # what a file saves; the same in every version
    _kinds[:] = [(one.kind, one.label, one.description, one.icon, numbers[one.kind]) for one in kinds.offered()]
    return _kinds


def _is_camera_collection(self, collection):
    return any(item.type == "CAMERA" for item in collection.all_objects)


class MaquettePicture(bpy.types.PropertyGroup):
    """One of the pictures that a word is learned from."""

    path: bpy.props.StringProperty(name="File", subtype="FILE_PATH", default="")


class MaquetteProperties(bpy.types.PropertyGroup):
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
        items=choices.PRESETS,
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
        items=choices.PLACES,
        default="CURSOR",
    )
    uvs: bpy.props.EnumProperty(
        name="UV Map",
        description="Which coordinates the texture lies on. Existing UV maps stay as they are",
        items=choices.UVS,
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
        items=choices.COLLECTIONS,
        default="MAQUETTE",
    )
    rig: bpy.props.EnumProperty(
        name="Cameras",
        description="From where the object is looked at",
        items=choices.RIGS,
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
        name="Texture Size",
        description="Side of the square texture, pixels",
        items=choices.TEXTURE_SIZES,
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
    strength: bpy.props.FloatProperty(
        name="Strength",
        description="How much of the colours may change: 1 paints from nothing, less keeps more of what is there",
        default=1.0,
        min=0.05,
        max=1.0,
        subtype="FACTOR",
    )
    reshape: bpy.props.FloatProperty(
        name="Reshape",
        description="How far the surface may go from where it is: 0 changes the texture only, 1 is free",
        default=0.5,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )
    hide_original: bpy.props.BoolProperty(
        name="Hide Original",
        description="Put the result in the original's place and hide that. Off: the result stands beside it",
        default=False,
    )
    verb: bpy.props.EnumProperty(
        name="Verb",
        description="What happens to the selection",
        items=choices.VERBS,
        default="remove",
    )
    selection: bpy.props.EnumProperty(
        name="Selection",
        description="What is selected",
        items=choices.SELECTIONS,
        default="FACES",
    )
    vertex_group: bpy.props.StringProperty(
        name="Vertex Group",
        description="The vertex group whose faces are selected",
        default="",
    )
    mask: bpy.props.PointerProperty(
        name="Mask",
        description="The image on which white is selected",
        type=bpy.types.Image,
    )
    grow: bpy.props.IntProperty(
        name="Grow",
        description="Texels by which the selection grows; below zero it shrinks",
        default=0,
        min=-256,
        max=256,
        soft_min=-16,
        soft_max=16,
    )
    feather: bpy.props.IntProperty(
        name="Feather",
        description="Texels over which the new meets the old, inside the selection",
        default=0,
        min=0,
        max=256,
        soft_max=32,
    )
    closing: bpy.props.EnumProperty(
        name="Patch",
        description="How the surface closes over the hole",
        items=choices.CLOSINGS,
        default="auto",
    )
    patch_views: bpy.props.IntProperty(
        name="Views of the Patch",
        description="How many views of the patch are painted after its colours went on from its rim; 0 for none",
        default=2,
        min=0,
        max=3,
    )
    word: bpy.props.StringProperty(
        name="Word",
        description="The word that prompts will say for it; best one that means nothing yet",
        default="",
        maxlen=32,
    )
    noun: bpy.props.StringProperty(
        name="Kind",
        description="What the pictures show, in one word: mug, chair, lamp",
        default="",
        maxlen=63,
    )
    subject: bpy.props.EnumProperty(
        name="Learn",
        description="What the pictures have in common",
        items=choices.SUBJECTS,
        default="object",
    )
    learn_method: bpy.props.EnumProperty(
        name="Method",
        description="How it is learned",
        items=choices.LEARN_METHODS,
        default="lora",
    )
    steps: bpy.props.IntProperty(
        name="Steps",
        description="Steps of learning; 0 leaves them to the method",
        default=0,
        min=0,
        max=20_000,
    )
    pictures: bpy.props.CollectionProperty(type=MaquettePicture)
    height_metres: bpy.props.FloatProperty(
        name="Height (m)",
        description="How tall the person stands, 0.5 to 2.6 metres. 0: what the prompt says",
        default=0.0,
        min=0.0,
        max=2.6,
        precision=2,
    )
    motion: bpy.props.StringProperty(
        name="Motion",
        description="What the person does, in a few words: walks slowly, waves. Empty: stands still",
        default="",
    )
    seconds: bpy.props.FloatProperty(
        name="Seconds",
        description="How long the motion is. 0: as long as the words say",
        default=0.0,
        min=0.0,
        max=60.0,
    )
    creature: bpy.props.EnumProperty(
        name="Creature",
        description="What kind of skeleton it gets",
        items=choices.CREATURES,
        default="auto",
    )
    naming: bpy.props.EnumProperty(
        name="Names",
        description="How the bones are called",
        items=choices.NAMINGS,
        default="blender",
    )
    front: bpy.props.EnumProperty(
        name="Front",
        description="Where the creature looks, in the object's own axes",
        items=choices.FRONTS,
        default="auto",
    )
    fingers: bpy.props.BoolProperty(
        name="Fingers",
        description="Bones for the fingers of a human",
        default=True,
    )
    loop: bpy.props.EnumProperty(
        name="Loop",
        description="Whether the motion repeats",
        items=choices.LOOPS,
        default="auto",
    )
    root_mode: bpy.props.EnumProperty(
        name="Way",
        description="Whether the figure travels",
        items=choices.ROOT_MODES,
        default="in_place",
    )
    style: bpy.props.FloatProperty(
        name="Expression",
        description="How strongly words such as tired or proud change the motion",
        default=1.0,
        min=0.0,
        max=2.0,
    )
    mirror: bpy.props.BoolProperty(
        name="Mirror",
        description="Left becomes right",
        default=False,
    )
    animate_method: bpy.props.EnumProperty(
        name="Method",
        description="Where the motion comes from",
        items=choices.ANIMATE_METHODS,
        default="auto",
    )


class MaquetteView(bpy.types.PropertyGroup):
    """How the panel looks: belongs to the session, is not saved."""

    search: bpy.props.StringProperty(
        name="Search",
        description="Show only what has these letters in its prompt",
        default="",
        options={"TEXTEDIT_UPDATE", "SKIP_SAVE"},
    )
    page: bpy.props.IntProperty(name="Page", default=0, min=0, options={"SKIP_SAVE"})


CLASSES = (MaquettePicture, MaquetteProperties, MaquetteView)


def register() -> None:
    bpy.types.Scene.maquette = bpy.props.PointerProperty(type=MaquetteProperties)
    bpy.types.WindowManager.maquette = bpy.props.PointerProperty(type=MaquetteView)


def unregister() -> None:
    del bpy.types.WindowManager.maquette
    del bpy.types.Scene.maquette
