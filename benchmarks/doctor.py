"""Does the doctor find corrupted volumes, and leave sound ones alone? ``python benchmarks/doctor.py`` prints a table.

Phantom patients are drawn and scanned in memory, findings and all. A half of them is left as it is, the others are
corrupted in equal numbers: scaled twice, mirrored, cut off, with a wrong slope. A volume is found if it has any serious
sign, and understood if the sign is the right one. Their seed is not the one that the thresholds were looked at with.
"""

import argparse
import time

import numpy as np

from unimedi.doctor.signs import SERIOUS
from unimedi.doctor.study_summary import examine_volume
from unimedi.imaging.image import Volume
from unimedi.phantom.corrupted import corrupt
from unimedi.phantom.ct import render_ct
from unimedi.phantom.patient.patient import sample_patient

ASKED = ("scaled_twice", "flipped", "truncated", "wrong_slope")
MEANT = {"scaled_twice": "scaled_twice", "flipped": "flipped", "truncated": "cut", "wrong_slope": "wrong_slope"}


def measure(volumes: int, shape: tuple[int, int, int], seed: int) -> dict[str, list[tuple[str, ...]]]:
    """Serious signs of each volume, by how it was corrupted ("" for sound ones)."""
    found: dict[str, list[tuple[str, ...]]] = {kind: [] for kind in ("", *ASKED)}
    for number in range(volumes):
        kind = "" if number % 2 else ASKED[number // 2 % len(ASKED)]
        scan = render_ct(sample_patient(f"doctor-{number}", seed), shape)
        volume = Volume(scan.voxels, scan.spacing)
        if kind:
            volume = corrupt(kind, volume, np.random.default_rng([seed, number]))
        _, signs = examine_volume(volume)
        found[kind].append(tuple(sign for sign in signs if sign in SERIOUS))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--volumes", type=int, default=200)
    parser.add_argument("--shape", type=int, nargs=3, default=(64, 128, 128), metavar=("DEPTH", "HEIGHT", "WIDTH"))
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    started = time.perf_counter()
    found = measure(arguments.volumes, tuple(arguments.shape), arguments.seed)
    print("| volumes | n | found | understood | signs |\n|---|---|---|---|---|")
    for kind, signs in found.items():
        meant = sum(any(sign.startswith(MEANT[kind]) for sign in some) for some in signs) if kind else ""
        names = sorted({" ".join(some) for some in signs if some})
        print(f"| {kind or 'sound'} | {len(signs)} | {sum(map(bool, signs))} | {meant} | {'; '.join(names)} |")
    corrupted = [bool(some) for kind in ASKED for some in found[kind]]
    print(f"\nsensitivity {np.mean(corrupted):.3f}, specificity {1 - np.mean([bool(some) for some in found['']]):.3f}")
    print(f"{time.perf_counter() - started:.0f} s with the drawing")


if __name__ == "__main__":
    main()
