"""What tables and pages call the ways to select slices."""

SELECTOR_NAMES = {
    "random": "random",
    "uniform": "uniform",
    "centre": "centre",
    "prior": "lesion frequency by depth",
    "untrained": "untrained encoder",
    "intensity": "no network: brightest anomalous patch",
    "oracle": "oracle (knows the mask)",
}
