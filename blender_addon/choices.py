# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel lets one choose from: (word on the wire or of the panel, name, description), one table a setting."""

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

RIGS = (
    ("NONE", "None", "Maquette chooses the views itself"),
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
    ("lora", "Low-Rank Changes", "Changes the image model a little for this word: closer, and a larger file"),
    ("textual_inversion", "New Word", "Finds a new word for the image model, which stays as it is"),
)

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
