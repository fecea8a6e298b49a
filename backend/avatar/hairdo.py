# SPDX-License-Identifier: GPL-3.0-or-later
"""Hair and beards: shells grown on the scalp and jaw, and what hangs or stands off them."""

from __future__ import annotations

import numpy as np

from backend.avatar.figure import Array, Fitting, Part, smoothed
from backend.avatar.headgear import CLOSED, COVERS_HAIR
from backend.avatar.patterns import Paint, beard_area, hair, hairline, moustache_area, noise, step
from backend.avatar.solids import lump, outward, rings, shell, tube

THICKNESS = {
    "buzz cut": 0.004, "short": 0.016, "tousled": 0.030, "bob": 0.026, "long": 0.024, "ponytail": 0.016, "bun": 0.016,
    "afro": 0.03, "mohawk": 0.0, "braids": 0.016,
}  # metres over the scalp


def grow_hair(fit: Fitting) -> None:
    """Adds the look's hair and beard."""
    look = fit.look
    if look.beard in ("moustache", "beard", "long beard") and not look.wears(*CLOSED):
        _beard(fit)
    if look.hair == "bald" or look.wears(*CLOSED):
        return
    pressed = look.wears(*COVERS_HAIR)
    thick = THICKNESS[look.hair]
    if thick:
        _scalp(fit, min(thick, 0.010) if pressed else thick, 0.012 if look.hair == "tousled" and not pressed else 0.0)
    marks = fit.marks
    centre, (rx, ry, rz) = marks.head_centre, marks.head_radii
    g = marks.gaze
    if look.hair in ("bob", "long"):
        low = marks.levels[6] - 0.01 if look.hair == "bob" else fit.height_of(4.85)
        _curtain(fit, float(marks.eyes[:, 2].mean() + 0.5 * g), float(low))
    elif look.hair == "ponytail":
        start = centre + [0, ry + 0.005, 0.35 * rz]
        steps = ((0.0, 0.0), (0.05, 0.005), (0.075, -0.07), (0.06, -0.17), (0.05, -0.27))
        path = [start + [0, y, z] for y, z in steps]
        fit.add("ponytail", tube(path, [0.022, 0.028, 0.034, 0.028, 0.01]), _paint(fit), "Head")
    elif look.hair == "braids":
        for side in (-1, 1):
            start = centre + [side * (rx - 0.005), 0.35 * ry, -0.9 * g]
            path = [start + [side * 0.01, 0.0, -0.035 * i] for i in range(8)]
            path = [p + [0, -0.012 * i, 0] for i, p in enumerate(path)]
            fit.add("braid", tube(path, [0.017 + 0.005 * (i % 2) for i in range(7)] + [0.006]), _paint(fit), "Head")
    elif look.hair == "bun" and not pressed:
        fit.add("bun", lump(centre + [0, 0.75 * ry, 0.85 * rz], (0.045, 0.045, 0.042)), _paint(fit), "Head")
    elif look.hair == "afro" and not pressed:
        around = lump(centre + [0, 0.38 * ry, 0.5 * rz], (rx * 1.55, ry * 1.18, rz * 1.2), 2.0, 32)
        fit.add("afro", around, _paint(fit), "Head")
    elif look.hair == "mohawk" and not pressed:
        angle = np.linspace(-0.15, 2.4, 12)
        path = [centre + [0, -0.92 * ry * np.cos(a), 0.95 * rz * np.sin(a)] for a in angle]
        sections = []
        for i, point in enumerate(path):
            out = (point - centre) / np.linalg.norm(point - centre)
            tall = 0.075 * np.sin(np.pi * (i + 0.6) / 13) + 0.012
            sections.append(np.stack([point - 0.02 * out + [0.016, 0, 0], point + tall * out + [0.006, 0, 0],
                                      point + tall * out - [0.006, 0, 0], point - 0.02 * out - [0.016, 0, 0]]))
        fit.add("mohawk", outward(*rings(sections)), _paint(fit), "Head")


def _paint(fit: Fitting) -> Paint:
    colour = fit.look.hair_colour

    def paint(fields: Array) -> Array:
        return hair(colour, fields)

    return paint


def _grown(fit: Fitting, area: Array, thick: Array, rounds: int) -> None:
    """A shell over the skin where `area` is above 0, `thick` metres, thinner towards its edge."""
    tri = fit.body.asset.triangles
    head = (fit.get("neck") > -0.2) & (fit.get("eye") < -0.5)
    member = (area > 0) & head
    chosen = member[tri].all(1) & np.repeat(np.isin(fit.body.asset.face_parts, (0, 1)), 2)
    grown = fit.clothed + fit.normals * (thick * step(area, 0.0, 0.45))[:, None]
    outer = smoothed(grown, fit.body.asset, member, rounds)
    # Smoothing must not pull hair under the skin.
    lift = np.maximum(0.003 - ((outer - fit.clothed) * fit.normals).sum(1), 0)
    outer += fit.normals * lift[:, None]
    vertices, faces, source = shell(tri, chosen, outer, fit.clothed - 0.006 * fit.normals)
    fields = fit.fields_at(vertices)
    fit.extra.append(Part("hair", vertices, faces, fields, _paint(fit), source, "Head"))


def _scalp(fit: Fitting, thick: float, wild: float) -> None:
    area = hairline(fit.fields)
    ear = (np.abs(fit.get("face_x")) > 1.12) & (fit.get("face_z") < 0.35) & (fit.get("face_y") < 2.0)
    area = np.where(ear, -1.0, area)
    lumps = wild * (noise(fit.body.vertices, 32.0, 7) + 0.6 * noise(fit.body.vertices, 70.0, 9)) if wild else 0.0
    _grown(fit, area, np.full(len(area), thick) + lumps, 3 if wild else 8)


def _beard(fit: Fitting) -> None:
    lips = fit.body.asset.lips > 0.15
    moustache = np.where(lips, -1.0, moustache_area(fit.fields))
    if fit.look.beard == "moustache":
        _grown(fit, moustache * 2.0, np.full(len(moustache), 0.012), 2)
        return
    area = np.where(lips, -1.0, np.maximum(beard_area(fit.fields), moustache * 1.5))
    full = 0.014 if fit.look.beard == "beard" else 0.020
    lip = moustache * 1.5 >= beard_area(fit.fields)
    _grown(fit, area, np.where(lip, 0.006, full), 5)
    if fit.look.beard == "long beard":
        g = fit.marks.gaze
        chin = fit.marks.eyes.mean(0) + [0, 0.25 * g, -2.0 * g]
        steps = ((0.01, 0.3 * g), (-0.012, -0.05), (-0.02, -0.12), (-0.015, -0.2))
        path = [chin + [0, y, z] for y, z in steps]
        fit.add("long beard", tube(path, [0.052, 0.058, 0.044, 0.012], flat=0.55), _paint(fit), "Head")


def _curtain(fit: Fitting, top: float, low: float) -> None:
    """Hair that hangs at the sides and the back from `top` to `low`, metres."""
    marks = fit.marks
    centre, (rx, ry, _) = marks.head_centre, marks.head_radii
    sections = []
    back = np.radians(np.linspace(-103, 103, 25))
    for t in np.linspace(0, 1, 9):
        z = top + (low - top) * t
        cy, wide, deep = fit.section(z)
        # Below the chin it lies on neck and back instead of hanging in the air.
        behind = max(centre[1] + ry * (1 - 0.25 * t), cy + deep if z < marks.levels[6] else -1.0) + 0.012
        swell = 1.0 + 0.25 * np.sin(np.pi * min(t * 1.2, 1.0)) - 0.15 * t
        # At its top it comes out of the hair of the scalp.
        out_of = 0.028 * (1 - min(t / 0.25, 1.0)) ** 2
        x_out, y_out = rx + 0.022 * swell + 0.006 - out_of, behind - centre[1] + 0.012 - out_of
        x_in, y_in = x_out - 0.034, y_out - 0.036
        z_row = np.full(len(back), z)
        outer = np.stack([x_out * np.sin(back), centre[1] + y_out * np.cos(back), z_row], 1)
        inner = np.stack([x_in * np.sin(back), centre[1] + y_in * np.cos(back), z_row], 1)
        sections.append(np.concatenate([outer, inner[::-1]]))
    fit.add("long hair", outward(*rings(sections)), _paint(fit), "Head")
