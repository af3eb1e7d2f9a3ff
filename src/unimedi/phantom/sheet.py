"""One picture that shows every finding on CT and X-ray, with its mask: look at it before trusting the rest."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unimedi.phantom.ct import CtScan, render_ct
from unimedi.phantom.patient.catalogue import FINDINGS
from unimedi.phantom.patient.patient import Patient, sample_patient
from unimedi.phantom.xray import render_xray

COLUMNS = ("CT, axial", "CT, axial with mask", "CT, coronal with mask", "X-ray", "X-ray with mask")
# Large enough for the eye, small enough for half a minute.
CT_SHAPE = (72, 176, 176)
XRAY_SIZE = (224, 224)


def contact_sheet(out_png: Path | str, seed: int = 0) -> None:
    """Write a PNG: a row for each finding alone and one for a normal chest; columns as ``COLUMNS``."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = (*FINDINGS, "normal")
    figure, axes = pyplot.subplots(len(names), len(COLUMNS), figsize=(4 * len(COLUMNS), 3.7 * len(names)))
    for row, name in zip(axes, names, strict=True):
        _row(row, name, showcase(name, seed))
    for axis, title in zip(axes[0], COLUMNS, strict=True):
        axis.set_title(title)
    figure.tight_layout()
    figure.savefig(out_png, dpi=55)
    pyplot.close(figure)


def showcase(name: str, seed: int) -> Patient:
    """A patient with this finding alone, plain enough to show: visible on both modalities where one in 40 tries is."""
    only = {other: float(other == name) for other in FINDINGS}
    tries = [sample_patient(f"sheet-{name}-{index}", seed, only) for index in range(40)]
    return next(
        (p for p in tries if all("xray" in f.visible_on and f.severity != "mild" for f in p.findings)), tries[0]
    )


def _row(row: NDArray[Any], name: str, patient: Patient) -> None:
    scan, film = render_ct(patient, CT_SHAPE), render_xray(patient, "PA", XRAY_SIZE)
    mask = scan.masks.get(name)
    depth, height = _busiest(mask, scan)
    finding = patient.finding(name)
    words = f"{finding.side or ''} {finding.lobe or ''} {finding.size_mm:.0f} mm {finding.severity}" if finding else ""
    window = {"vmin": -1000, "vmax": -400} if name in ("emphysema", "pneumothorax") else {"vmin": -1000, "vmax": 300}
    row[0].set_ylabel(f"{name}\n{words}", fontsize=11)
    axial = scan.voxels[depth]
    coronal = scan.voxels[::-1, height]
    aspect = scan.spacing[0] / scan.spacing[2]
    row[0].imshow(axial, cmap="gray", **window)
    row[1].imshow(axial, cmap="gray", **window)
    row[2].imshow(coronal, cmap="gray", aspect=aspect, **window)
    row[3].imshow(film.pixels, cmap="gray")
    row[4].imshow(film.pixels, cmap="gray")
    if mask is not None:
        for axis, flat in ((row[1], mask[depth]), (row[2], mask[::-1, height]), (row[4], film.masks[name])):
            if flat.any() and not flat.all():
                axis.contour(flat, [0.5], colors="red", linewidths=0.8)
    for axis in row:
        axis.set_xticks([])
        axis.set_yticks([])


def _busiest(mask: NDArray[np.bool_] | None, scan: CtScan) -> tuple[int, int]:
    """The axial and coronal planes that hold most of the mask; the middle ones without a mask."""
    if mask is None:
        return scan.voxels.shape[0] // 2, scan.voxels.shape[1] // 2
    return int(mask.sum(axis=(1, 2)).argmax()), int(mask.sum(axis=(0, 2)).argmax())
