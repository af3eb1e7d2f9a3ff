"""How fast is a volume read at random? ``python benchmarks/reading.py`` prints two tables.

The same phantom CTs, of a real CT's size, in the store and in what people use instead: compressed NIfTI and NumPy,
MONAI's PersistentDataset, a DICOM series. Every reader gives the same int16 array, checked before it is timed (the
store verifies a checksum at that first reading, once a process); the files are in the page cache; one thread. Then the
memory of a process that reads a store of many studies at random for three epochs: anonymous memory is what the process
holds itself, the rest of RSS are pages of the file that the kernel takes back at will.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import monai
import numpy as np
import psutil
import SimpleITK as sitk  # noqa: N813
import torch
from monai.data import PersistentDataset
from monai.transforms import Compose, Transform
from numpy.typing import NDArray

from unimedi.cohort.study import Modality, Split
from unimedi.imaging.read import read_image
from unimedi.inputs.preprocess import Preprocess
from unimedi.inputs.store import Store, StoredStudy
from unimedi.inputs.store_writer import Record, write_store
from unimedi.phantom.ct import CtScan, render_ct
from unimedi.phantom.files import Header, write_dicom_series
from unimedi.phantom.patient.patient import sample_patient

Voxels = NDArray[np.int16]
Reader = Callable[[int], Voxels]
EPOCHS = 3
MANY = (16, 64, 64)  # depth, height, width: reading must not depend on size to keep its memory


def readers(folder: Path, scans: Sequence[CtScan]) -> dict[str, tuple[Reader, int]]:
    """Every way to keep the scans: how to read one, and the bytes on disk of all."""
    ways: dict[str, Reader] = {}
    ways["store"] = stored(folder / "store", [scan.voxels for scan in scans], scans[0].spacing).pixels
    for name in ("nii.gz", "npz", "monai", "dicom"):
        (folder / name).mkdir()
    for k, scan in enumerate(scans):
        image = sitk.GetImageFromArray(scan.voxels)
        image.SetSpacing(scan.spacing[::-1])
        sitk.WriteImage(image, str(folder / "nii.gz" / f"{k}.nii.gz"))
        np.savez_compressed(folder / "npz" / f"{k}.npz", voxels=scan.voxels)
        header = Header(f"p{k}", f"s{k}", "CT", "F", 60)
        write_dicom_series(folder / "dicom" / str(k), scan.voxels, scan.spacing, header)
    cached = PersistentDataset([str(k) for k in range(len(scans))], Compose([Nifti(folder)]), folder / "monai")
    ways[".nii.gz (SimpleITK)"] = lambda k: nifti(folder, k)
    ways[".npz"] = lambda k: np.load(folder / "npz" / f"{k}.npz")["voxels"]
    ways[f"PersistentDataset (MONAI {monai.__version__})"] = lambda k: np.asarray(cached[k])
    ways["DICOM series (unimedi)"] = lambda k: read_image(folder / "dicom" / str(k)).voxels  # type: ignore[union-attr]
    places = [folder / name for name in ("store", "nii.gz", "npz", "monai", "dicom")]
    for way in ways.values():
        for k, scan in enumerate(scans):
            if not np.array_equal(way(k), scan.voxels):
                raise AssertionError(f"volume {k} comes back changed")
    return {name: (way, size(place)) for (name, way), place in zip(ways.items(), places, strict=True)}


class Nifti(Transform):
    """What is cached: only what a MONAI transform gives is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str) -> torch.Tensor:
        return torch.from_numpy(nifti(self.folder, int(name)))


def nifti(folder: Path, k: int) -> Voxels:
    return sitk.GetArrayFromImage(sitk.ReadImage(str(folder / "nii.gz" / f"{k}.nii.gz")))


def stored(path: Path, volumes: Sequence[Voxels], spacing: tuple[float, float, float]) -> Store:
    """The volumes as they are in a store of their own shape."""
    shape = volumes[0].shape
    policy = Preprocess(shape[1:], (shape[0], *shape[1:]), (shape[0], *shape[1:]), shape[1:])
    records = (
        Record(StoredStudy(f"s{k}", f"p{k}", Modality.CT, Split.TRAIN, "Clear.", spacing=spacing), voxels)
        for k, voxels in enumerate(volumes)
    )
    return write_store(path, records, policy)


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def timed(way: Reader, order: Sequence[int]) -> float:
    """Median seconds to read one volume, in a random order."""
    times = []
    for k in order:
        started = time.perf_counter()
        way(k)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def held(process: psutil.Process) -> tuple[float, float]:
    """RSS and its anonymous part, MB."""
    whole = process.memory_info()
    return whole.rss / 1e6, (whole.rss - whole.shared) / 1e6


def memory(store: Store, rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """After each epoch: RSS, anonymous memory, and the anonymous slope in MB a thousand items within it."""
    process, rows = psutil.Process(), []
    for _ in range(EPOCHS):
        seen = []
        for step, k in enumerate(rng.permutation(len(store))):
            store.pixels(int(k))
            if step % 50 == 0:
                seen.append((step, held(process)[1]))
        steps, sizes = zip(*seen, strict=True)
        rows.append((*held(process), 1000 * float(np.polyfit(steps, sizes, 1)[0])))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--volumes", type=int, default=4)
    parser.add_argument("--shape", type=int, nargs=3, default=(128, 512, 512), metavar=("D", "H", "W"))
    parser.add_argument("--rounds", type=int, default=3, help="how often each volume is read")
    parser.add_argument("--studies", type=int, default=2000, help="of the store whose reader's memory is watched")
    given = parser.parse_args()
    torch.set_num_threads(1)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    rng = np.random.default_rng(0)
    shape = (given.shape[0], given.shape[1], given.shape[2])
    scans = [render_ct(sample_patient(f"P{k}", 0), shape) for k in range(given.volumes)]
    megabytes = scans[0].voxels.nbytes * len(scans) / 1e6
    print(
        f"{len(scans)} phantom CTs of {' x '.join(map(str, shape))} voxels, {megabytes:.0f} MB as int16; one thread\n"
    )
    with tempfile.TemporaryDirectory() as folder:
        print("| kept as | MB on disk | ms a volume | times faster than .nii.gz |\n|---|---|---|---|")
        order = rng.permutation(np.repeat(np.arange(len(scans)), given.rounds)).tolist()
        ways = readers(Path(folder), scans)
        times = {name: timed(way, order) for name, (way, _) in ways.items()}
        for name, seconds in times.items():
            ratio = times[".nii.gz (SimpleITK)"] / seconds
            print(f"| {name} | {ways[name][1] / 1e6:.0f} | {1000 * seconds:.0f} | {ratio:.1f} |")
        small = [np.resize(scans[0].voxels[:: shape[0] // 16 or 1], MANY) + np.int16(k) for k in range(given.studies)]
        store = stored(Path(folder) / "many", small, (5.0, 3.0, 3.0))
        del small, scans, ways
        print(f"\n{given.studies} studies of {' x '.join(map(str, MANY))} voxels read at random, three epochs\n")
        print("| epoch | RSS, MB | anonymous, MB | slope, MB a 1,000 items |\n|---|---|---|---|")
        for epoch, (rss, own, slope) in enumerate(memory(store, rng), start=1):
            print(f"| {epoch} | {rss:.1f} | {own:.1f} | {slope:+.2f} |")


if __name__ == "__main__":
    main()
