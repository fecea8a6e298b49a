# SPDX-License-Identifier: GPL-3.0-or-later
"""Operators of the form: press the button, throw the dice, choose a prior's folder, take a dropped picture."""

from pathlib import Path

import bpy

from .. import compat, kinds, notes, recall, scripting, words
from ..apply import variations
from ..capture import inpainting
from ..declared import Guarded, Reporting
from ..seeds import draw_seed

# No `from __future__ import annotations` here: Blender reads the property annotations as values, not as text.


def renew_seed(properties):
    """Draw a new seed where one is wanted each time; it stays in the field, so that the artist can keep it."""
    if properties.randomise:
        properties.seed = draw_seed()


class MAQUETTE_OT_generate(Guarded, Reporting, bpy.types.Operator):
    bl_idname = "maquette.generate"
    bl_label = "Generate"
    bl_description = "Make it, with the settings above. Blender stays usable meanwhile"
    bl_options = {"REGISTER"}

    @classmethod
    def complaint(cls, context):
        return kinds.complaint(context)

    def execute(self, context):
        renew_seed(context.scene.maquette)
        return self.attempt(lambda: scripting.ask(kinds.chosen(context.scene.maquette), context))


class MAQUETTE_OT_inpaint_picture(Guarded, Reporting, bpy.types.Operator):
    bl_idname = "maquette.inpaint_picture"
    bl_label = "Inpaint"
    bl_description = "Make what is white on the mask anew in this picture. The result is an image of its own"
    bl_options = {"REGISTER"}

    @classmethod
    def complaint(cls, context):
        return kinds.picture_complaint(context)

    def execute(self, context):
        def ask():
            properties, image = context.scene.maquette, context.space_data.image
            spec = inpainting.picture_spec_from(context, properties, image)
            options = inpainting.picture_options(image, properties.mask)
            scripting.submit(spec, "ORIGIN", inpainting.picture_inputs(options), target=image.name, options=options)

        renew_seed(context.scene.maquette)
        return self.attempt(ask)


class MAQUETTE_OT_keep_variation(Guarded, bpy.types.Operator):
    bl_idname = "maquette.keep_variation"
    bl_label = "Keep Only This"
    bl_description = "Delete the other variations of the active object; undo brings them back"
    bl_options = {"REGISTER", "UNDO"}

    @classmethod
    def complaint(cls, context):
        return "" if variations.siblings(context.object) else "Select one of several variations"

    def execute(self, context):
        for other in variations.siblings(context.object):
            mesh = other.data
            bpy.data.objects.remove(other)
            if mesh.users == 0:
                bpy.data.meshes.remove(mesh)
        del context.object[variations.SIBLINGS]
        return {"FINISHED"}


class MAQUETTE_OT_dice(bpy.types.Operator):
    bl_idname = "maquette.dice"
    bl_label = "New Seed"
    bl_description = "Draw another seed"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        context.scene.maquette.seed = draw_seed()
        return {"FINISHED"}


class MAQUETTE_OT_browse_prior(bpy.types.Operator):
    bl_idname = "maquette.browse_prior"
    bl_label = "Choose Prior"
    bl_description = "Choose the folder of an image model in the format of diffusers"
    bl_options = {"REGISTER", "UNDO"}

    directory: bpy.props.StringProperty(subtype="DIR_PATH", options={"SKIP_SAVE"})
    filter_folder: bpy.props.BoolProperty(default=True, options={"HIDDEN"})

    def invoke(self, context, event):
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def execute(self, context):
        folder = Path(bpy.path.abspath(self.directory))
        if not any((folder / name).exists() for name in ("model_index.json", "config.json")):
            said = words.say("This folder has no model_index.json: it does not look like a model of diffusers")
            self.report({"WARNING"}, said)
        context.scene.maquette.prior = str(folder)
        return {"FINISHED"}


class MAQUETTE_OT_prompt_block(bpy.types.Operator):
    bl_idname = "maquette.prompt_block"
    bl_label = "Write in a Text Block"
    bl_description = "Take the prompt from a text block, which has room for many lines; a new one begins with the field"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        properties = context.scene.maquette
        block = bpy.data.texts.new("Prompt")
        block.write(properties.prompt)
        properties.prompt_text = block
        return {"FINISHED"}


class MAQUETTE_OT_prompt_field(bpy.types.Operator):
    bl_idname = "maquette.prompt_field"
    bl_label = "Write in the Field"
    bl_description = "Take the prompt from the field again; the text block stays in the file"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context):
        properties = context.scene.maquette
        if properties.prompt_text is not None:
            properties.prompt = " ".join(properties.prompt_text.as_string().split())
            properties.prompt_text = None
        return {"FINISHED"}


class MAQUETTE_OT_take_picture(bpy.types.Operator):
    bl_idname = "maquette.take_picture"
    bl_label = "Take over into Maquette"
    bl_description = "Take prompt and settings out of a picture that Maquette made, or show what is meant by it"
    bl_options = {"REGISTER", "UNDO"}

    filepath: bpy.props.StringProperty(subtype="FILE_PATH", options={"SKIP_SAVE"})

    def execute(self, context):
        properties = context.scene.maquette
        path = Path(bpy.path.abspath(self.filepath))
        try:
            with path.open("rb") as file:
                note = notes.read(file.read(2 * notes.LIMIT))
        except OSError as error:
            self.report({"ERROR"}, words.say(f"The picture cannot be read: {error}"))
            return {"CANCELLED"}
        if note is not None and isinstance(note.get("spec"), dict):
            recall.fill(properties, str(note.get("kind", "")), note["spec"], note.get("seed"))
        elif kinds.chosen(properties).uses_picture:
            properties.picture = bpy.data.images.load(str(path), check_existing=True)
            self.report({"INFO"}, words.say("The picture is the style now, see Advanced"))
        else:
            said = words.say("Maquette has not made this picture, and this kind of work looks at none")
            self.report({"WARNING"}, said)
            return {"CANCELLED"}
        return {"FINISHED"}


CLASSES = (
    MAQUETTE_OT_generate, MAQUETTE_OT_inpaint_picture, MAQUETTE_OT_keep_variation, MAQUETTE_OT_dice,
    MAQUETTE_OT_browse_prior, MAQUETTE_OT_prompt_block, MAQUETTE_OT_prompt_field, MAQUETTE_OT_take_picture,
)
HANDLERS = compat.picture_drop("MAQUETTE_FH_picture", MAQUETTE_OT_take_picture)
