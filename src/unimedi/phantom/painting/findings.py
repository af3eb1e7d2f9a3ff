"""All findings of a patient painted into the chest, with a mask of each."""

from collections.abc import Callable

import numpy as np

from unimedi.phantom.painting import diffuse, focal
from unimedi.phantom.painting.canvas import Canvas, Mask
from unimedi.phantom.patient.catalogue import Finding

# The order of painting: what fills a space first, what lies in it afterwards.
PAINTERS: dict[str, Callable[[Canvas, Finding, Mask], None]] = {
    "emphysema": diffuse.emphysema,
    "fibrosis": diffuse.fibrosis,
    "cardiomegaly": diffuse.cardiomegaly,
    "pneumothorax": diffuse.pneumothorax,
    "pleural_effusion": diffuse.pleural_effusion,
    "ground_glass": focal.ground_glass,
    "consolidation": focal.consolidation,
    "atelectasis": diffuse.atelectasis,
    "lymph_node": focal.lymph_node,
    "mass": focal.mass,
    "nodule": focal.nodule,
    "rib_fracture": focal.rib_fracture,
}


def paint_findings(canvas: Canvas) -> dict[str, Mask]:
    """Paint all findings of the canvas's patient; masks by finding name. Fluid and air first, lesions over them."""
    masks: dict[str, Mask] = {}
    for name in PAINTERS:
        for finding in (one for one in canvas.patient.findings if one.name == name):
            mask = masks.setdefault(name, np.zeros(canvas.grid.shape, np.bool_))
            PAINTERS[name](canvas, finding, mask)
    return masks
