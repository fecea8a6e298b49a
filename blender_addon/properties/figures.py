# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of figures: their bodies, skeletons and motions."""

import bpy

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.

CREATURES = (
    ("auto", "Find Out", "Look at the shape"),
    ("humanoid", "Human", "Two legs, two arms, a head"),
    ("quadruped", "Four Legs", "Dogs, horses, cats, lizards"),
    ("bird", "Bird", "Two legs and two wings"),
    ("snake", "Snake", "A chain from head to tail"),
    ("spider", "Spider", "Many legs around a body"),
    ("fish", "Fish", "A chain with fins"),
    ("prop", "Prop", "Bones along the middle of whatever it is"),
)

NAMINGS = (
    ("blender", "Blender", "UpperArm.L"),
    ("mixamo", "Mixamo", "mixamorig:LeftArm"),
    ("rigify", "Rigify", "upper_arm.L"),
    ("unreal", "Unreal", "upperarm_l"),
)

FRONTS = (
    ("auto", "Find Out", "Guess it from the shape"),
    ("-y", "-Y", "As Blender's front view sees it"),
    ("+y", "+Y", "Away from Blender's front view"),
    ("-x", "-X", "To the left of Blender's front view"),
    ("+x", "+X", "To the right of Blender's front view"),
)

LOOPS = (
    ("auto", "As It Fits", "What people repeat is a loop, a walk for example"),
    ("yes", "Loop", "The end leads into the beginning"),
    ("no", "Once", "It ends where it ends"),
)

ROOT_MODES = (
    ("in_place", "In Place", "The figure stays over its spot"),
    ("root_motion", "Travelling", "The figure goes where its steps take it"),
)

ANIMATE_METHODS = (
    ("auto", "As It Fits", "What fits the words best"),
    ("clips", "Clips", "Actions of this file and clips of the hub's machine"),
    ("generators", "Generators", "What Maquette moves by itself"),
    ("candidates", "Candidates", "Finds poses for the words and a way through them"),
    ("latent", "Motion Network", "Looks for that way in a network that has learned motions: slower and rougher"),
)


class Figures:
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
        description="What the figure does, in a few words: walks in, then waves. A new avatar without stands still",
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
        items=CREATURES,
        default="auto",
    )
    naming: bpy.props.EnumProperty(
        name="Names",
        description="How the bones are called",
        items=NAMINGS,
        default="blender",
    )
    front: bpy.props.EnumProperty(
        name="Front",
        description="Where the creature looks, in the object's own axes",
        items=FRONTS,
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
        items=LOOPS,
        default="auto",
    )
    root_mode: bpy.props.EnumProperty(
        name="Way",
        description="Whether the figure travels",
        items=ROOT_MODES,
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
        items=ANIMATE_METHODS,
        default="auto",
    )
