"""Findings that fill or change whole spaces: fluid, air, collapse, a large heart, emphysema, fibrosis."""

import numpy as np

from unimedi.phantom.painting.canvas import Canvas, Mask, grain, lumpy, mark, side_of, within
from unimedi.phantom.painting.voxelise import blend, cover, lattice_noise
from unimedi.phantom.patient.anatomy import diaphragm_depth
from unimedi.phantom.patient.catalogue import Finding


def pleural_effusion(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    """Fluid sinks: to the back in a supine CT, to the base with a rising meniscus in an upright X-ray."""
    anatomy, part = canvas.patient.anatomy, canvas.part
    depth, height, _width = part.axes
    view = canvas.hu[canvas.box]
    if canvas.posture == "supine":
        low = anatomy.half_depth - 0.1 * (min(anatomy.dome) - 20)
        under = (low - finding.size_mm * 1.0) - (height - 0.1 * depth)
    else:
        reach = anatomy.half_width[0] * 0.93
        base = diaphragm_depth(anatomy, np.zeros(1, np.float32), np.array([reach], np.float32)).item()
        lean = 0.0 if canvas.posture == "upright" else 0.35
        under = depth - lean * height - (base + 1.15 * finding.size_mm)
    under = under - 42 * np.exp(np.minimum(canvas.wall, 0) / (10 if canvas.posture == "supine" else 20))
    share = cover(under, part.voxel)
    near = cover(under - 9, 12.0) * np.float32(0.4)
    only = canvas.lung * side_of(part, finding.side)
    blend(view, near * only, -250.0)
    share *= only
    blend(view, share, finding.hu)
    mark(canvas, mask, (slice(None),) * 3, share)


def pneumothorax(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    """Air rises: to the breastbone in a supine CT, to the apex in an upright X-ray. The lung's edge is a line."""
    anatomy, part = canvas.patient.anatomy, canvas.part
    depth, height, _width = part.axes
    view = canvas.hu[canvas.box]
    if canvas.posture == "supine":
        rise = np.clip(0.42 - 0.75 * height / anatomy.half_depth + 0.1 * depth / 100, 0.06, 1.15)
    else:
        floor = anatomy.dome[0 if finding.side == "right" else 1]
        rise = np.clip(0.12 + 1.05 * (depth - floor) / (anatomy.apex - floor), -0.1, 1.15)
    gap = canvas.wall + (finding.size_mm * rise).astype(np.float32)
    only = canvas.lung * side_of(part, finding.side)
    grade = {"mild": 50.0, "moderate": 110.0, "severe": 230.0}[finding.severity]
    share = cover(-gap, part.voxel) * only
    view += only * grade
    blend(view, share, -1000.0)
    line = np.clip(1 - np.abs(gap) / max(part.voxel, 1.0), 0, 1) * only
    view += line * np.float32(650 * min(1.0, 1.6 / part.voxel))
    mark(canvas, mask, (slice(None),) * 3, share)


def atelectasis(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    assert finding.centre_mm is not None
    rng = grain(finding)
    if finding.form == "plate":
        box, part, view, lung = within(canvas, finding, (30.0, 60.0, 60.0))
        z, y, x = (axis - np.float32(c) for axis, c in zip(part.axes, finding.centre_mm, strict=True))
        tilt = rng.uniform(-0.25, 0.25, 2) + np.array([0, 0.18 if finding.side == "right" else -0.18])
        middle = tilt[0] * y + tilt[1] * x + 4 * np.sin(x / 21 + y / 17)
        disc = np.sqrt((x / 48) ** 2 + (y / 36) ** 2)
        flat = np.abs(z - middle.astype(np.float32)) - finding.size_mm / 2 * (1.1 - disc**4)
        share = cover(flat, part.voxel) * lung * side_of(part, finding.side)
    else:
        radii = (58.0, 44.0, 0.85 * finding.size_mm) if finding.lobe == "lower" else (44.0, 52.0, finding.size_mm)
        box, part, view, lung = within(canvas, finding, tuple(1.3 * r for r in radii))
        share = cover(lumpy(finding, part, radii, 3.0, 25.0), part.voxel) * lung * side_of(part, finding.side)
    blend(view, share, finding.hu)
    mark(canvas, mask, box, share)


def cardiomegaly(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    box, share = canvas.heart
    np.greater(share, 0.5, out=mask[box])


def emphysema(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    """Holes without walls, more of them in the upper lungs."""
    anatomy, part = canvas.patient.anatomy, canvas.part
    noise = lattice_noise(grain(finding), part, 0.75 * finding.size_mm + 2, (0.0, 0.0, 0.0))
    fine = lattice_noise(grain(finding, 1), part, 0.4 * finding.size_mm + 2, (0.0, 0.0, 0.0))
    fine *= 0.5
    noise += fine
    level = {"mild": 0.9, "moderate": 0.5, "severe": 0.15}[finding.severity]
    noise -= np.asarray(level - 0.5 * np.clip(part.axes[0] / anatomy.apex, -1, 1), np.float32)
    noise *= 3.0
    share = np.clip(noise, 0, 1, out=noise)
    share *= canvas.lung
    blend(canvas.hu[canvas.box], share, finding.hu)
    mark(canvas, mask, (slice(None),) * 3, share)


def fibrosis(canvas: Canvas, finding: Finding, mask: Mask) -> None:
    """A net of thickened septa with small cysts, at the bases and under the pleura."""
    part = canvas.part
    depth, height, _ = part.axes
    anatomy = canvas.patient.anatomy
    floor = np.float32(min(anatomy.dome))
    base = np.clip((floor + 62 + 0.3 * height - depth) / 40, 0.0, 1)
    above = depth - diaphragm_depth(anatomy, height, part.axes[2])
    near = np.minimum(-canvas.wall, above)
    zone = np.clip((finding.size_mm * (0.25 + 0.75 * base) - near) / 8, 0, 1) * np.clip(base + 0.12, 0, 1)
    zone *= canvas.lung
    net = np.abs(lattice_noise(grain(finding), part, 5.5, (0.0, 0.0, 0.0)))
    strand = np.clip(1.25 - net / 0.42, 0, 1)
    hole = np.clip((net - 0.9) * 2, 0, 1)
    texture = -690 + (finding.hu + 690) * strand - 230 * hole
    blend(canvas.hu[canvas.box], zone, texture.astype(np.float32))
    mark(canvas, mask, (slice(None),) * 3, zone)
