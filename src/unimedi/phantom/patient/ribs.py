"""Twelve pairs of ribs as level sets: on the chest wall, rib k is where a falling coordinate passes k rib pitches.

``angle`` runs round the chest in degrees: 0 at the spine, 90 at the side, 180 at the breastbone.
"""

import numpy as np

from unimedi.phantom.anatomy import Anatomy, Array, Point, cage_profile

DEPTH_OFF_WALL = 5.0  # mm from the inner chest wall to the middle of a rib


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
    width = (radius * sin * half_width.item() + offset.item()) * reach + DEPTH_OFF_WALL * sin
    height = radius * cos * half_depth.item() + DEPTH_OFF_WALL * cos
    return (low, float(height), float(-width if side == 0 else width))
