# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of work on what is there: changing it, a piece of it, learning from it."""

import bpy

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

VERBS = (
    ("remove", "Remove", "Continue what surrounds the selection"),
    ("fill", "Fill", "Put into the selection what the prompt says"),
    ("replace", "Replace", "Keep the selection and make everything else anew"),
)

SELECTIONS = (
    ("FACES", "Faces", "The faces that are selected in Edit Mode"),
    ("GROUP", "Vertex Group", "The faces whose corners all belong to a vertex group"),
    ("MASK", "Painted Mask", "What is white on an image that lies on the same UV map"),
)

CLOSINGS = (
    ("auto", "As It Fits", "Flat rims are capped flat, others go on in the direction of the surface"),
    ("flat", "Flat", "Like a soap film over the rim"),
    ("tangent", "Smooth", "In the direction of the surface around it"),
    ("curved", "Curved", "With the curvature of the surface around it"),
)

SUBJECTS = (
    ("object", "Thing", "A thing with its own looks"),
    ("style", "Style", "A way to look"),
)

LEARN_METHODS = (
    ("lora", "LoRA", "Changes the image model a little for this word: closer, and a larger file"),
    ("textual_inversion", "New Word", "Finds a new word for the image model, which stays as it is"),
)


class MaquettePicture(bpy.types.PropertyGroup):
    """One of the pictures that a word is learned from."""

    path: bpy.props.StringProperty(name="File", subtype="FILE_PATH", default="")


class Pieces:
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
        items=VERBS,
        default="remove",
    )
    selection: bpy.props.EnumProperty(
        name="Selection",
        description="What is selected",
        items=SELECTIONS,
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
        items=CLOSINGS,
        default="auto",
    )
    patch_views: bpy.props.IntProperty(
        name="Views",
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
        items=SUBJECTS,
        default="object",
    )
    learn_method: bpy.props.EnumProperty(
        name="Method",
        description="How it is learned",
        items=LEARN_METHODS,
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
