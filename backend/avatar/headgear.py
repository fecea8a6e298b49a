# SPDX-License-Identifier: GPL-3.0-or-later
"""Hats, helmets, glasses: solids fitted to a head, each with the parts of a figure that it adds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from backend.avatar.figure import Array, Fitting, smoothed
from backend.avatar.look import CLOTH, Worn
from backend.avatar.patterns import cloth, get, mix, step
from backend.avatar.solids import lathe, lump, outward, rings, shell, tube

ROOM = 0.012  # metres between skull and hat, for hair


class _Head:
    """Measures of a head that hats need, metres: rim height, skull radii (x, y), centre, scale (1 for an adult)."""

    def __init__(self, fit: Fitting):
        marks = fit.marks
        self.unit = marks.gaze
        self.centre = marks.head_centre
        room = ROOM + (0.012 if fit.look.hair in ("tousled", "afro", "bob", "long", "braids") else 0.0)
        self.rx, self.ry = marks.head_radii[0] + room, marks.head_radii[1] + room
        self.rim = float(marks.eyes[:, 2].mean() + 0.85 * marks.gaze)
        self.top = float(marks.levels[7]) + room
        self.rise = self.top - self.rim


def plain(worn: Worn) -> Callable[[Array], Array]:
    return lambda fields: cloth(worn, fields)


def banded(
    worn: Worn, low: float, high: float, middle: tuple[float, float] = (0.0, 0.0), tilt: float = 0.0
) -> Callable[[Array], Array]:
    """The cloth with a band of the second colour between two heights, metres, of a thing that leans back by `tilt`
    about `middle` (y, z)."""

    def paint(fields: Array) -> Array:
        away, up = get(fields, "y") - middle[0], get(fields, "z") - middle[1]
        z = middle[1] + np.cos(tilt) * up + np.sin(tilt) * away
        band = step(z, low - 0.002, low) * (1 - step(z, high, high + 0.002))
        return mix(cloth(worn, fields), CLOTH[worn.second], band)

    return paint


def _dome(h: _Head, wide: float = 1.0, tall: float = 1.0, rows: int = 8) -> list[tuple[float, float]]:
    """Profile rows of a dome from the rim to the crown."""
    angle = np.linspace(0, np.pi / 2, rows)
    return [(wide * float(np.cos(a)) if a < 1.5 else 0.0, tall * h.rise * float(np.sin(a))) for a in angle]


def cap(fit: Fitting, worn: Worn) -> None:
    """A dome with a peak over the brow."""
    h = _Head(fit)
    centre = (0, h.centre[1], h.rim)
    profile = [(0.9, -0.004), (1.04, -0.004), *_dome(h, 1.05, 1.1)]
    fit.add("cap", lathe(profile, centre, (h.rx, h.ry), 0.08), plain(worn), "Head")
    front = h.centre[1] - h.ry
    s = h.unit / 0.064
    fit.add("peak", lump((0, front - 0.012, h.rim + 0.004), (0.072 * s, 0.062 * s, 0.009), 2.6),
            plain(Worn(worn.kind, worn.colour if worn.second == "white" else worn.second)), "Head")


def police_cap(fit: Fitting, worn: Worn) -> None:
    h = _Head(fit)
    profile = [(0.9, 0.0), (1.03, 0.0), (1.05, 0.04), (1.34, 0.075), (1.38, 0.085), (1.25, 0.10), (0.0, 0.115)]
    centre = (0, h.centre[1], h.rim)
    fit.add("cap", lathe([(r, z * h.rise / 0.09) for r, z in profile], centre, (h.rx, h.ry), 0.12),
            banded(Worn(worn.kind, worn.colour, "black"), h.rim + 0.005, h.rim + 0.03), "Head")
    front = h.centre[1] - h.ry
    peak = lump((0, front - 0.012, h.rim + 0.006), (0.075, 0.055, 0.009), 2.6)
    fit.add("peak", peak, plain(Worn("x", "black")), "Head")
    fit.add("badge", lump((0, front - 0.012, h.rim + 0.052), (0.016, 0.010, 0.02)), plain(Worn("x", "gold")), "Head")


def brimmed(brim: float, crown: float, waist: float = 1.0, point: float = 1.0, band: float = 0.03, curl: float = 0.0,
            lean: float = 0.1) -> Callable[[Fitting, Worn], None]:  # fmt: skip
    """A hat with a brim (in skull radii) and a crown (in metres for an adult) that narrows to `point`."""

    def make(fit: Fitting, worn: Worn) -> None:
        h = _Head(fit)
        s = h.unit / 0.064
        rows = [(0.9, 0.0), (brim - 0.05, curl), (brim, 0.01 + curl), (brim - 0.05, 0.02 + curl), (1.06, 0.02)]
        up = np.linspace(0.024, crown * s, 6)
        rows += [(float(np.interp(z, [0.02, crown * s], [1.06 * waist, point])), float(z)) for z in up]
        lid = crown * s + 0.012 * min(1.0, point * 1.5)
        rows += [(0.6 * point, lid), (0.0, lid + 0.002)]
        base = h.rim + 0.018
        fit.add("hat", lathe(rows, (0, h.centre[1], base), (h.rx, h.ry), lean),
                banded(worn, base + 0.02, base + 0.02 + band, (h.centre[1], base), lean), "Head")

    return make


def wizard_hat(fit: Fitting, worn: Worn) -> None:
    h = _Head(fit)
    s = h.unit / 0.064
    rows = [(0.9, 0.0), (1.88, -0.012), (1.93, 0.0), (1.88, 0.011), (1.1, 0.022), (1.02, 0.06 * s),
            (0.72, 0.16 * s), (0.44, 0.27 * s), (0.2, 0.37 * s), (0.0, 0.43 * s)]
    shift = [0, 0, 0, 0, 0, 0, 0.0, 0.02, 0.055, 0.085]
    base = h.rim + 0.015
    fit.add("hat", lathe(rows, (0, h.centre[1], base), (h.rx, h.ry), 0.12, shift=shift),
            banded(worn, base + 0.03, base + 0.065, (h.centre[1], base), 0.12), "Head")


def toque(fit: Fitting, worn: Worn) -> None:
    h = _Head(fit)
    rows = [(0.9, 0.0), (1.05, 0.0), (1.08, 0.10), (1.28, 0.13), (1.42, 0.18), (1.36, 0.23), (1.0, 0.26), (0.0, 0.27)]
    fit.add("toque", lathe(rows, (0, h.centre[1], h.rim), (h.rx, h.ry), 0.1), plain(worn), "Head")


def crown(fit: Fitting, worn: Worn) -> None:
    h = _Head(fit)
    around = 48
    sections = []
    angle = np.arange(around) * 2 * np.pi / around
    spike = 0.5 + 0.5 * np.cos(angle * 8)
    for r, low, high in ((1.02, 0, 0), (1.09, 0, 0), (1.14, 0.03, 0.03), (1.2, 0.045, 0.10), (1.13, 0.045, 0.10),
                         (1.03, 0.02, 0.02), (0.97, 0.0, 0.0)):
        z = h.rim + 0.03 + low + (high - low) * spike
        sections.append(np.stack([r * h.rx * np.cos(angle), h.centre[1] + r * h.ry * np.sin(angle), z], 1))
    def paint(fields: Array) -> Array:
        turn = np.arctan2(get(fields, "x"), -(get(fields, "y") - h.centre[1]))
        gem = np.hypot(((turn / (np.pi / 4) + 0.5) % 1 - 0.5) * 0.07, get(fields, "z") - h.rim - 0.055)
        jewel = CLOTH[worn.second if worn.second != "white" else "red"]
        return mix(cloth(worn, fields), jewel, 1 - step(gem, 0.009, 0.011))

    # The last ring meets the first at the skull, so the ends are fans inside the hair.
    fit.add("crown", outward(*rings(sections)), paint, "Head")


def beanie(fit: Fitting, worn: Worn) -> None:
    h = _Head(fit)
    rows = [(0.9, -0.02), (1.09, -0.02), (1.11, 0.015), (1.06, 0.02), *_dome(h, 1.05, 1.25)[1:]]
    fit.add("beanie", lathe(rows, (0, h.centre[1], h.rim), (h.rx, h.ry), 0.06),
            banded(worn, h.rim - 0.03, h.rim + 0.017), "Head")


def helmet(brim: float, back: float = 0.0, ridge: float = 0.0) -> Callable[[Fitting, Worn], None]:
    """A hard shell with a narrow brim, longer at the back, and a ridge over it."""

    def make(fit: Fitting, worn: Worn) -> None:
        h = _Head(fit)
        rows = [(0.95, -0.002), (brim, -0.004), (brim, 0.006), (1.14, 0.016), *_dome(h, 1.13, 1.25)[1:]]
        shift = [0.0, 0.4 * back, 0.4 * back, *([0.0] * (len(rows) - 3))]
        fit.add("helmet", lathe(rows, (0, h.centre[1], h.rim), (h.rx, h.ry), 0.08, shift=shift), plain(worn), "Head")
        if ridge:
            angle = np.linspace(0.35, np.pi - 0.35, 9)
            path = [(0, h.centre[1] - 1.1 * h.ry * np.cos(a), h.rim + h.rise * 1.22 * np.sin(a)) for a in angle]
            fit.add("ridge", tube(path, [ridge] * 9), plain(worn), "Head")
            fit.add("shield", lump((0, h.centre[1] - 1.06 * h.ry, h.rim + 0.055), (0.032, 0.02, 0.04), 3.0),
                    plain(Worn("x", worn.second if worn.second != "white" else "yellow")), "Head")

    return make


def bubble(fit: Fitting, worn: Worn) -> None:
    """An astronaut's helmet: a white globe with a dark golden visor."""
    h = _Head(fit)
    chin = fit.marks.levels[6]
    centre = np.array([0.0, h.centre[1] - 0.008, (chin + h.top) / 2 + 0.005])
    radius = 0.60 * (h.top - chin) + 0.03

    def paint(fields: Array) -> Array:
        d = (fields[:, :3] - centre) / radius
        visor = np.maximum(np.abs(d[:, 0]) / 0.80, np.abs(d[:, 2] + 0.02) / 0.58)
        visor = np.where(d[:, 1] < -0.15, visor, 2.0)
        out = cloth(worn, fields)
        out = mix(out, CLOTH["grey"], 1 - step(visor, 1.08, 1.1))
        glow = 0.55 + 0.45 * np.clip(d[:, 2] + 0.3 * d[:, 0] + 0.4, 0, 1)
        return np.where((visor < 1.0)[:, None], np.array([0.80, 0.58, 0.20]) * glow[:, None], out)

    fit.add("helmet", lump(centre, (radius, radius * 1.05, radius * 1.03), 2.0, 40), paint, "Head")
    fit.add("collar", lathe([(0.7, -0.03), (1.05, -0.03), (1.1, 0.0), (1.0, 0.03), (0.7, 0.03)],
                            (0, h.centre[1] + 0.015, chin - 0.045), (0.115, 0.12)), plain(Worn("x", "grey")), "Neck")


def great_helm(fit: Fitting, worn: Worn) -> None:
    """A knight's closed helmet with an eye slit, breathing holes and a crest."""
    h = _Head(fit)
    chin = fit.marks.levels[6] - 0.02
    eyes = float(fit.marks.eyes[:, 2].mean())
    tall = h.top + 0.015 - chin
    rows = [(0.5, 0.0), (1.02, 0.0), (1.16, 0.25 * tall), (1.17, 0.6 * tall), (1.05, 0.82 * tall), (0.7, 0.96 * tall),
            (0.0, tall)]
    centre = (0, h.centre[1] - 0.006, chin)

    def paint(fields: Array) -> Array:
        x, y, z = (get(fields, n) for n in "xyz")
        front = y < h.centre[1]
        slit = np.maximum(np.abs(x) / 0.066, np.abs(z - eyes) / 0.011)
        out = cloth(worn, fields) * (0.85 + 0.25 * np.clip((z - chin) / tall, 0, 1))[:, None]
        bar = (np.abs(x) < 0.009) | (np.abs(z - eyes) < 0.022)
        out = np.where((bar & front)[:, None], np.array(CLOTH[worn.second if worn.second != "white" else "gold"]), out)
        holes = np.hypot((np.abs(x) % 0.022) - 0.011, ((z - chin) % 0.022) - 0.011)
        breath = (holes < 0.0045) & (z < eyes - 0.035) & (z > chin + 0.03) & (np.abs(x) > 0.011)
        return np.where((front & ((slit < 1) | breath))[:, None], 0.04, out)

    fit.add("helm", lathe(rows, centre, (h.rx, h.ry + 0.01)), paint, "Head")


def hood(fit: Fitting, worn: Worn) -> None:
    """A hood over the back of the head, open at the face."""
    asset = fit.body.asset
    f = fit.fields
    y, z = (get(f, "face_" + n) for n in "yz")
    tri = asset.triangles
    chosen_v = (get(f, "neck") > -0.35) & (get(f, "arm") < -0.1) & (get(f, "eye") < -0.5)
    chosen_v &= (y > 0.75) | (z > 1.25) | (get(f, "neck") < 0.35)
    chosen = chosen_v[tri].all(1) & np.repeat(np.isin(asset.face_parts, (0, 1)), 2)
    outer = smoothed(fit.body.vertices + fit.normals * 0.03, asset, chosen_v, 40) + fit.normals * 0.022
    outer[:, 2] += 0.03 * np.clip(z - 1.5, 0, 1)
    vertices, faces, _ = shell(tri, chosen, outer, fit.body.vertices - 0.01 * fit.normals)
    fit.add("hood", (vertices, faces), plain(worn), None)


def glasses(dark: bool) -> Callable[[Fitting, Worn], None]:
    def make(fit: Fitting, worn: Worn) -> None:
        g = fit.marks.gaze
        front = fit.marks.eyes[:, 1].mean() - 1.05 * fit.marks.eye_radius - 0.010
        angle = np.linspace(0, 2 * np.pi, 20)
        for eye in fit.marks.eyes:
            c = np.array([eye[0] * 1.03, front, eye[2] - 0.002])
            if dark:
                fit.add("lens", lump(c, (0.42 * g, 0.006, 0.3 * g), 2.6), plain(Worn("x", "black")), "Head")
            else:
                ring = [c + [0.4 * g * np.cos(a), 0, 0.33 * g * np.sin(a)] for a in angle]
                fit.add("rim", tube(ring, [0.006] * 20, around=8), plain(worn), "Head")
            side = np.sign(eye[0])
            temple = side * (fit.marks.head_radii[0] + 0.006)
            path = [c + [side * 0.42 * g, 0.002, 0.05 * g], (temple, front + 0.03, c[2] + 0.004),
                    (temple, fit.marks.head_centre[1], c[2] + 0.004)]
            arm = worn if not dark else Worn("x", "black")
            fit.add("arm", tube(path, [0.006] * 3, around=8), plain(arm), "Head")
        bridge = [(-0.12 * g, front, fit.marks.eyes[0, 2] + 0.003), (0, front - 0.002, fit.marks.eyes[0, 2] + 0.008),
                  (0.12 * g, front, fit.marks.eyes[0, 2] + 0.003)]
        fit.add("bridge", tube(bridge, [0.006] * 3, around=8), plain(worn if not dark else Worn("x", "black")), "Head")

    return make


def headphones(fit: Fitting, worn: Worn) -> None:
    h = _Head(fit)
    ear = float(fit.marks.eyes[:, 2].mean() - 0.1 * h.unit)
    for side in (-1, 1):
        fit.add("cup", lump((side * (h.rx + 0.012), h.centre[1], ear), (0.022, 0.036, 0.042), 3), plain(worn), "Head")
    angle = np.linspace(0, np.pi, 15)
    rise = h.top - ear - 0.008
    path = [((h.rx + 0.016) * np.cos(a), h.centre[1], ear + 0.02 + rise * np.sin(a)) for a in angle]
    bow = Worn("x", worn.second if worn.second != "white" else "black")
    fit.add("bow", tube(path, [0.011] * 15, around=10), plain(bow), "Head")


HEADGEAR: dict[str, Callable[[Fitting, Worn], None]] = {
    "cap": cap, "police cap": police_cap, "hat": brimmed(1.5, 0.11, 1.0, 0.86),
    "cowboy hat": brimmed(1.85, 0.125, 1.0, 0.78, 0.02, 0.02),
    "straw hat": brimmed(1.95, 0.10, 1.0, 0.9, 0.025), "top hat": brimmed(1.45, 0.19, 0.98, 1.05, 0.035, lean=0.06),
    "witch hat": wizard_hat, "wizard hat": wizard_hat, "chef's hat": toque, "crown": crown, "beanie": beanie,
    "hard hat": helmet(1.28, 0.0, 0.008), "fire helmet": helmet(1.42, 0.05, 0.012), "helmet": helmet(1.16),
    "space helmet": bubble, "knight's helmet": great_helm, "hood": hood, "glasses": glasses(False),
    "sunglasses": glasses(True), "headphones": headphones, "pirate hat": brimmed(1.7, 0.1, 1.0, 0.8, 0.02, 0.05),
}  # fmt: skip
COVERS_HAIR = (
    "cap", "police cap", "hat", "cowboy hat", "straw hat", "top hat", "witch hat", "wizard hat", "chef's hat", "beanie",
    "hard hat", "fire helmet", "helmet", "pirate hat",
)  # fmt: skip
"""Under these, tall hair is pressed flat."""
CLOSED = ("space helmet", "knight's helmet", "mask", "hood")
"""Under these no hair shows."""
