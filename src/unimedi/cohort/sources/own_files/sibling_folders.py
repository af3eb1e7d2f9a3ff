"""Images and reports in separate trees: ``images/a/b.png`` with ``reports/a/b.txt``, at any depth.

A tree holds reports where its name says so (``TEXT_FOLDERS``), or where it has no image and the tree beside it has no
text or a name of ``IMAGE_FOLDERS``. Where no name says so, at least two pairs must agree, and no folder beside them may
hold both images and texts. The report may be named for the folder of its image (``reports/a.txt``), or be the only text
in a folder of that name (``reports/a/text.txt``).
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from unimedi.cohort.sources.file_names import stem
from unimedi.cohort.sources.own_files.images import FoundImage
from unimedi.cohort.sources.own_files.pairing import (
    Pairs,
    by_folder,
    folded,
    is_no_report,
    one_examination,
    several_texts,
)
from unimedi.files.walk import name_of

TEXT_FOLDERS = {
    *("report", "reports", "text", "texts", "txt", "radiology", "befund", "befunde", "informe", "informes", "rapport"),
    *("rapports", "laudo", "laudos", "referto", "referti", "notes", "html", "rtf"),
}
IMAGE_FOLDERS = {
    *("image", "images", "img", "imgs", "picture", "pictures", "bilder", "imagenes", "imagens", "immagini", "imaging"),
    *("scan", "scans", "dicom", "dicoms", "dcm", "nifti", "nii", "png", "pngs", "jpg", "jpgs", "jpeg", "tif", "tiff"),
    *("xray", "xrays", "x-ray", "x-rays", "cxr", "cxrs", "dx", "cr", "ct", "cts", "mr", "volume", "volumes"),
    *("radiograph", "radiographs", "film", "films", "data", "dataset", "files"),
}
FEWEST = 2  # pairs that make two folders of any names a pair of trees

Parts = tuple[str, ...]  # of a path below the root
Key = tuple[Parts, Parts]  # what stands above a tree, and a name in it


def by_sibling_folder(found: Sequence[FoundImage], texts: Sequence[Path], root: Path, pairs: Pairs) -> None:
    """Give each image that still has no report the text of its name in a tree beside, where both are the only ones."""
    with_images = {folder for one in found for folder in _above(one.path, root)}
    with_texts = {folder for text in texts if not is_no_report(text) for folder in _above(text, root)}
    mixed = {folder[:-1] for folder in with_images & with_texts}
    free = pairs.unused_texts(texts)
    left = pairs.without_report(found)
    beside = by_folder(free)
    by_key: dict[Key, list[tuple[Path, Parts]]] = defaultdict(list)
    for text in free:
        for key, tree in _keys(text.relative_to(root).parts, len(beside[text.parent]) == 1):
            by_key[key].append((text, tree))
    in_folder: dict[Path, list[FoundImage]] = defaultdict(list)
    for one in found:
        in_folder[one.path.parent].append(one)

    def fits(images: Parts, reports: Parts) -> bool:
        called = reports[-1].casefold() in TEXT_FOLDERS
        pure = images[-1].casefold() in IMAGE_FOLDERS or images not in with_texts
        return called or (reports not in with_images and pure)

    wanted: dict[Path, set[Path]] = {}
    for one in left:
        keys = _keys(one.path.relative_to(root).parts, one_examination(in_folder[one.path.parent]))
        wanted[one.path] = {
            text for key, images in keys for text, reports in by_key.get(key, ()) if fits(images, reports)
        }
    for image, text in _agreed(left, wanted, root, pairs):
        pairs.reports[image] = text
        pairs.elsewhere.add(image)
    _drop_chance(root, mixed, pairs)


def _agreed(
    left: Sequence[FoundImage], wanted: dict[Path, set[Path]], root: Path, pairs: Pairs
) -> Iterator[tuple[Path, Path]]:
    """Image and text that want each other alone; what several want is refused."""
    wanting: dict[Path, list[FoundImage]] = defaultdict(list)
    for one in left:
        for text in wanted[one.path]:
            wanting[text].append(one)
    for one in left:
        texts = sorted(wanted[one.path])
        if len(texts) > 1:
            pairs.refused[one.path] = several_texts(texts)
            pairs.doubtful |= set(texts)
        elif texts and not one_examination(wanting[texts[0]]):
            others = len(wanting[texts[0]])
            pairs.doubtful.add(texts[0])
            pairs.refused[one.path] = f"its text {name_of(texts[0], root)} could be of {others} images"
        elif texts:
            yield one.path, texts[0]


def _drop_chance(root: Path, mixed: set[Parts], pairs: Pairs) -> None:
    """Take back the pairs of trees that neither their names nor a second pair make likely."""
    trees: dict[tuple[Parts, str, str], list[Path]] = defaultdict(list)
    for image in pairs.elsewhere:
        trees[_parting(image.relative_to(root).parts, pairs.reports[image].relative_to(root).parts)].append(image)
    for (above, images, texts), members in trees.items():
        named = images.casefold() in IMAGE_FOLDERS or texts.casefold() in TEXT_FOLDERS
        if not named and (len(members) < FEWEST or above in mixed):
            for image in members:
                text = name_of(pairs.reports.pop(image), root)
                pairs.refused[image] = f"no report beside it; {text} has its name, but may be of another patient"
                pairs.elsewhere.discard(image)


def _keys(parts: Parts, alone: bool) -> list[tuple[Key, Parts]]:
    """For each folder on the way, as the root of a tree: what stands above it with the name below it; and that root.

    Where a file is alone, its folder's name is a name of it, too.
    """
    *folders, last = parts
    names: list[Parts] = [(*folders, stem(last)), *([tuple(folders)] if alone else [])]
    return [
        ((name[:depth], tuple(folded(part) for part in name[depth + 1 :])), parts[: depth + 1])
        for name in names
        for depth in range(len(name) - 1)
    ]


def _above(path: Path, root: Path) -> list[Parts]:
    parts = path.relative_to(root).parts
    return [parts[:depth] for depth in range(1, len(parts))]


def _parting(image: Parts, text: Parts) -> tuple[Parts, str, str]:
    """What two paths share, and the folders in which they part."""
    depth = next(depth for depth, (a, b) in enumerate(zip(image, text, strict=False)) if a != b)
    return image[:depth], image[depth], text[depth]
