"""All findings of a patient painted into the chest, and their masks."""

from collections.abc import Callable

import numpy as np

from unimedi.phantom import diffuse, focal
from unimedi.phantom.catalogue import Finding
from unimedi.phantom.outlines import Mask
from unimedi.phantom.scene import Scene

# The order of painting: what fills a space first, what lies in it afterwards.
PAINTERS: dict[str, Callable[[Scene, Finding, Mask], None]] = {
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


def paint_findings(scene: Scene) -> dict[str, Mask]:
    """Paint all findings of the scene's patient; masks by finding name. Fluid and air first, lesions over them."""
    masks = {}
    for name in PAINTERS:
        finding = scene.patient.finding(name)
        if finding is not None:
            mask = np.zeros(scene.grid.shape, np.bool_)
            PAINTERS[name](scene, finding, mask)
            masks[name] = mask
    return masks
