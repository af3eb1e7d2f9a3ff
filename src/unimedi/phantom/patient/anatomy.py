"""One patient's chest as numbers: a few dozen lengths in mm, and the surfaces of lungs and diaphragm they define.

Patient coordinates are ``(depth, height, width)`` in mm: depth grows towards the head, height towards the back, width
towards the patient's left; the origin lies in the middle of the chest, a little below the carina.
Side 0 is the patient's right, side 1 the left.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Point = tuple[float, float, float]
RIB_OFF_WALL = 5.0  # mm from the inner chest wall to the middle of a rib


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """Lengths in mm, densities in HU. Pairs are (right, left)."""

    half_width: tuple[float, float]  # midline to the inner chest wall
    half_depth: float  # middle to the inner chest wall, front and back
    apex: float  # depth of the lungs' top
    dome: tuple[float, float]  # depth of the diaphragm's tops
    dome_drop: float  # how far the diaphragm falls from its top to the wall
    fat: float  # under the skin
    muscle: float  # between fat and ribs
    breast: float  # radius; 0 in men
    heart_centre: Point
    heart_radius: float
    heart_scale: float  # 1 is normal
    shift: float  # mediastinum's displacement to the left
    core: float  # half width of the upper mediastinum
    spine: Point  # (unused depth, height, width) of the vertebral column at mid chest
    scoliosis: float  # sideways swing of the column
    aorta: float  # radius
    arch: float  # depth of the aortic arch's top
    carina: float
    hilum: tuple[float, float]  # depth
    rib_pitch: float
    rib_phase: float
    rib_slope: float
    lung_hu: float
    gravity: float  # HU a mm, denser towards the back
    calcium: float  # 0..1, calcified cartilage and aortic wall
    vessels: NDArray[np.float32]  # (segments, 8): start, end (depth, height, width), radius at both ends


_LENGTHS = tuple(field.name for field in fields(Anatomy) if field.name != "vessels")


def sample_anatomy(rng: np.random.Generator, sex: str, age: int) -> Anatomy:
    """A healthy chest without its vessels (``grow_vessels`` adds them once findings have changed the shape)."""
    size = float(rng.normal(1.0 if sex == "M" else 0.92, 0.05))
    width = 128 * size * float(rng.normal(1, 0.04))
    lean = float(rng.normal(0, 0.025))
    half_depth = 88 * size * float(rng.normal(1, 0.06))
    dome = float(rng.normal(-52, 10))
    carina = float(rng.normal(30, 6))
    heart_radius = 52 * size * float(rng.normal(1, 0.05))
    return Anatomy(
        half_width=(width * (1 + lean), width * (1 - lean)),
        half_depth=half_depth,
        apex=118 * size + float(rng.normal(0, 5)),
        dome=(dome, dome - float(rng.normal(12, 5))),
        dome_drop=float(rng.normal(62, 8)),
        fat=float(np.clip(rng.gamma(4, 3.2) + (4 if sex == "F" else 0), 4, 38)),
        muscle=float(rng.normal(18 if sex == "M" else 13, 2.5)),
        breast=float(rng.uniform(34, 62)) if sex == "F" else 0.0,
        heart_centre=(dome + 30 + float(rng.normal(0, 4)), -0.28 * half_depth, float(rng.normal(17, 4))),
        heart_radius=heart_radius,
        heart_scale=float(rng.normal(1.0, 0.035)),
        shift=float(rng.normal(0, 2)),
        core=float(rng.normal(25, 2.5)),
        spine=(0.0, 0.80 * half_depth, float(rng.normal(0, 2))),
        scoliosis=float(rng.normal(0, 5)),
        aorta=float(rng.normal(12.5, 1.5) + 0.04 * max(age - 50, 0)),
        arch=carina + float(rng.normal(30, 5)),
        carina=carina,
        hilum=(carina - float(rng.normal(16, 5)), carina - float(rng.normal(8, 5))),
        rib_pitch=float(rng.normal(23.5, 1.2)) * size,
        rib_phase=float(rng.uniform(0, 1)),
        rib_slope=float(rng.normal(34, 5)),
        lung_hu=float(rng.normal(-855, 18)),
        gravity=float(rng.normal(0.45, 0.15)),
        calcium=float(np.clip(rng.beta(1.2, 1.6) * (age - 25) / 45, 0, 1)),
        vessels=np.zeros((0, 8), np.float32),
    )


@cache
def average_anatomy() -> Anatomy:
    """The mean of many healthy chests, women's and men's: nobody's own."""
    rng = np.random.default_rng(0)
    chests = [sample_anatomy(rng, sex, 60) for sex in ("F", "M") for _ in range(100)]
    return _with_lengths(
        chests[0], {name: np.mean([getattr(one, name) for one in chests], axis=0) for name in _LENGTHS}
    )


def _with_lengths(anatomy: Anatomy, lengths: Mapping[str, Any]) -> Anatomy:
    """The chest with these numbers and pairs, given as arrays."""
    plain: dict[str, Any] = {
        name: tuple(value) if isinstance(value := array.tolist(), list) else value for name, array in lengths.items()
    }
    return replace(anatomy, **plain)


def towards_average(anatomy: Anatomy, variety: float) -> Anatomy:
    """The same chest with this share of what sets it apart from the average one: 1 leaves it as it is."""
    if variety == 1:
        return anatomy
    usual, changed = average_anatomy(), {}
    for name in _LENGTHS:
        middle, mine = np.asarray(getattr(usual, name)), np.asarray(getattr(anatomy, name))
        changed[name] = middle + variety * (mine - middle)
    return _with_lengths(anatomy, changed)


def cage_profile(anatomy: Anatomy, depth: Array) -> tuple[Array, Array, Array]:
    """Inner chest wall by depth: (offset of the apices from the midline, half width factor, half depth)."""
    rise = np.clip((depth - 20) / (anatomy.apex - 20), 0, 1)
    offset = 0.42 * rise**2.5
    half_width = np.maximum(np.sqrt(np.maximum(1 - rise**3.0, 0)) * (1 - offset) - 0.12 * rise, 0.02)
    bell = 1 - 0.10 * np.clip(depth / 100, 0, 1)
    half_depth = anatomy.half_depth * np.maximum(np.sqrt(np.maximum(1 - 0.93 * rise**2.4, 0)), 0.02)
    return offset.astype(np.float32), (half_width * bell).astype(np.float32), half_depth.astype(np.float32)


def cage_distance(anatomy: Anatomy, depth: Array, height: Array, width: Array) -> Array:
    """Signed distance (mm, negative inside) to the inner chest wall; arguments broadcast against each other."""
    offset, half_width, half_depth = cage_profile(anatomy, depth)
    right, left = anatomy.half_width
    reach = np.where(width < anatomy.shift * 0, right, left).astype(np.float32)
    sideways = np.abs((np.abs(width) / reach - offset) / half_width) ** 2.3
    # The back of the chest is flatter and the apices lie behind the middle.
    centre = 18 * np.clip((depth - 20) / (anatomy.apex - 20), 0, 1).astype(np.float32)
    frontal = np.abs((height - centre) / half_depth) ** 2.3
    scale = np.sqrt(half_width * right * half_depth) * np.float32(2 / 2.3)
    out: Array = np.sqrt(sideways + frontal)
    out -= 1
    out *= scale
    # Above the apices the outline has shrunk to nothing; the height above them is the distance then.
    return np.maximum(out, (depth - anatomy.apex).astype(np.float32), out=out)


def diaphragm_depth(anatomy: Anatomy, height: Array, width: Array) -> Array:
    """Depth (mm) of the diaphragm under a point of the axial plane."""
    right = width < 0
    reach = np.where(right, anatomy.half_width[0], anatomy.half_width[1])
    top = np.where(right, anatomy.dome[0], anatomy.dome[1]).astype(np.float32)
    out = (np.abs(width) - 0.48 * reach) / (0.58 * reach)
    behind = (height + 0.25 * anatomy.half_depth) / (1.15 * anatomy.half_depth)
    out = out * np.where(np.abs(out) > 0, out, 0)
    outer = np.where(np.abs(width) > 0.48 * reach, out, 0.25 * out)
    return (top - anatomy.dome_drop * (0.72 * outer + behind * behind)).astype(np.float32)


def oblique_fissure(anatomy: Anatomy, height: Array, width: Array) -> Array:
    """Depth (mm) of the curved fissure between lower lobe (below, behind) and the rest, over the axial plane."""
    across = np.abs(width) / anatomy.half_width[0] - 0.55
    ripple = 5 * np.sin(height / 37 + width / 51)
    return np.asarray(-14 + 0.85 * height - 45 * across * across + ripple, np.float32)


def minor_fissure(anatomy: Anatomy, height: Array, width: Array) -> Array:
    """Depth (mm) of the right lung's horizontal fissure, over the axial plane."""
    return np.asarray(anatomy.hilum[0] - 4 + 6 * np.sin(height / 31) * np.cos(width / 27) + 0.06 * height, np.float32)


def lobe_of(anatomy: Anatomy, point: Point) -> str:
    """The lobe (``upper``, ``middle`` on the right only, ``lower``) that holds a point of the lung."""
    depth, height, width = point
    plane = np.array([height], np.float32), np.array([width], np.float32)
    if depth < oblique_fissure(anatomy, *plane).item():
        return "lower"
    return "middle" if width < 0 and depth < minor_fissure(anatomy, *plane).item() else "upper"


def lung_distance(anatomy: Anatomy, points: Array) -> Array:
    """Signed distance in mm, negative inside the lungs, of ``points`` (count, 3); heart, core and spine are cut out."""
    depth, height, width = points.T.astype(np.float32)
    out = np.maximum(cage_distance(anatomy, depth, height, width), diaphragm_depth(anatomy, height, width) - depth)
    heart = np.asarray(anatomy.heart_centre) + np.array([0, 0, anatomy.shift])
    radius = anatomy.heart_radius * anatomy.heart_scale * 1.12
    out = np.maximum(out, radius - np.linalg.norm(points - heart, axis=1))
    out = np.maximum(out, anatomy.core + 6 - np.abs(width - anatomy.shift))
    spine = np.hypot(height - anatomy.spine[1], width - anatomy.spine[2])
    return np.asarray(np.maximum(out, 34 - spine), np.float32)


def points_in_lung(rng: np.random.Generator, anatomy: Anatomy, margin: float, count: int = 1) -> Array:
    """``count`` points (count, 3) spread evenly over the lungs' depth, at least ``margin`` mm inside the lungs."""
    low = min(anatomy.dome) - 0.8 * anatomy.dome_drop
    reach = np.array([anatomy.apex - low, 2 * anatomy.half_depth, 2 * max(anatomy.half_width)])
    found = np.zeros((0, 3), np.float32)
    while len(found) < count:
        cloud = (np.array([low, -reach[1] / 2, -reach[2] / 2]) + rng.random((64 * count, 3)) * reach).astype(np.float32)
        found = np.concatenate([found, cloud[lung_distance(anatomy, cloud) < -margin]])
        margin = 0.95 * margin - 0.2
    # Rejection alone would crowd the widest level: take the points nearest to depths drawn evenly, one a stratum.
    found = found[np.argsort(found[:, 0])]
    share = (np.arange(count) + rng.random(count)) / count
    wanted = found[0, 0] + (found[-1, 0] - found[0, 0]) * share
    return np.asarray(found[np.minimum(np.searchsorted(found[:, 0], wanted), len(found) - 1)], np.float32)


def rib_coordinate(anatomy: Anatomy, depth: Array, angle: Array) -> Array:
    """Rib number (1 uppermost) as a continuous value: whole numbers are the middle of a rib."""
    turn = angle / 90
    # Upper ribs make a smaller round and so fall less from back to front.
    fall = anatomy.rib_slope * (1.15 - 0.55 * np.clip(depth / 120, -0.2, 1))
    drop = fall * (turn + 0.45 * turn * turn)
    first = anatomy.apex + 3 + 4 * anatomy.rib_phase
    return ((first - drop - depth) / anatomy.rib_pitch + 1).astype(np.float32)


def rib_point(anatomy: Anatomy, side: int, rib: int, angle: float) -> Point:
    """Middle of a rib (mm) at an angle; solved by bisection on the depth."""
    low, high = -260.0, 180.0
    turned = np.array([angle], np.float32)
    for _ in range(40):
        middle = (low + high) / 2
        below = rib_coordinate(anatomy, np.array([middle], np.float32), turned).item() > rib
        low, high = (middle, high) if below else (low, middle)
    offset, half_width, half_depth = cage_profile(anatomy, np.array([low], np.float32))
    reach = anatomy.half_width[side]
    turn = np.deg2rad(angle)
    # A superellipse point in the direction of the angle, then outwards to the middle of the bone.
    cos, sin = np.cos(turn), np.sin(turn)
    radius = (abs(sin) ** 2.3 + abs(cos) ** 2.3) ** (-1 / 2.3)
    width = (radius * sin * half_width.item() + offset.item()) * reach + RIB_OFF_WALL * sin
    height = radius * cos * half_depth.item() + RIB_OFF_WALL * cos
    return (low, float(height), float(-width if side == 0 else width))


def grow_vessels(rng: np.random.Generator, anatomy: Anatomy, leaves: int = 170) -> Anatomy:
    """Pulmonary vessels: in each lung a tree that joins random points to the nearest branch; radii as flow^(1/2.6)."""
    segments = []
    for side in (0, 1):
        sign = -1 if side == 0 else 1
        low = (anatomy.dome[side] - anatomy.dome_drop, -anatomy.half_depth, 0)
        high = (anatomy.apex, anatomy.half_depth, anatomy.half_width[side])
        points = rng.uniform(low, high, (leaves * 5, 3)).astype(np.float32)
        points[:, 2] *= sign
        points = points[lung_distance(anatomy, points) < -5][:leaves]
        root = np.array([anatomy.hilum[side], 8, sign * (anatomy.core + 4) + anatomy.shift], np.float32)
        segments.append(_tree(root, points[np.argsort(np.linalg.norm(points - root, axis=1))]))
    return replace(anatomy, vessels=np.concatenate(segments))


def _tree(root: Array, points: Array) -> Array:
    nodes = np.concatenate([root[None], points])
    path = np.zeros(len(nodes), np.float32)
    parent = np.zeros(len(nodes), np.int64)
    apart = np.sqrt(((nodes[:, None] - nodes) ** 2).sum(2))
    for index in range(1, len(nodes)):
        step = apart[index, :index]
        nearest = (step + 0.45 * path[:index]).argmin()
        parent[index] = nearest
        path[index] = path[nearest] + step[nearest]
    flow, above = [1.0] * len(nodes), parent.tolist()
    for index in range(len(nodes) - 1, 0, -1):
        flow[above[index]] += flow[index]
    radius = (0.85 * np.array(flow) ** (1 / 2.6)).astype(np.float32)
    ends = radius[1:, None]
    starts = np.minimum(radius[parent[1:]], 1.4 * radius[1:])[:, None]
    return np.concatenate([nodes[parent[1:]], nodes[1:], starts, ends], axis=1).astype(np.float32)
