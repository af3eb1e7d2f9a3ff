"""Medical Segmentation Decathlon: the CT tasks, each with its structures and lesions as one label image, no reports."""

import re
from pathlib import Path
from typing import Any

from unimedi.cohort.sources.collections.label_images import add_segmented_ct, listed_file, read_dataset_json
from unimedi.cohort.sources.collections.listing import snake
from unimedi.cohort.sources.file_names import stem
from unimedi.cohort.sources.source_cohort import SourceCohort, SourceError
from unimedi.cohort.split import assign_splits


def msd(root: Path) -> SourceCohort:
    """``Task06_Lung/dataset.json`` with ``imagesTr`` and ``labelsTr``; the root is one task, or a folder of several.

    A finding is named by task and label (``lung_cancer``), as ``cancer`` is a label of several tasks.

    Raises:
        SourceError: no task, or a ``dataset.json`` of another kind.
    """
    tasks = [root] if (root / "dataset.json").is_file() else sorted(path.parent for path in root.glob("*/dataset.json"))
    if not tasks:
        raise SourceError(f"{root} has no dataset.json, nor has a folder in it: is it the one of Task06_Lung?")
    cohort = SourceCohort(root)
    for task in tasks:
        _read_task(cohort, task)
    cohort.studies = assign_splits(cohort.studies)
    return cohort


def _read_task(cohort: SourceCohort, task: Path) -> None:
    content = read_dataset_json(task / "dataset.json", name=str, labels=dict, modality=dict, training=list)
    organ = _organ(task.name, content["name"])
    try:
        names = {int(value): _finding(organ, str(name)) for value, name in content["labels"].items() if int(value)}
    except ValueError as error:  # newer files of nnU-Net have them the other way round
        raise SourceError(f"{task / 'dataset.json'}: expected 'labels' by number, got {content['labels']}") from error
    is_ct = set(content["modality"].values()) == {"CT"}
    for entry in content["training"]:
        _add(cohort, task, entry, names, is_ct)
    for entry in content.get("test", []):
        name = stem(listed_file(task, entry).name)
        cohort.skip(name, "no public label: a test image of the challenge")


def _organ(folder: str, name: str) -> str:
    """``Task08_HepaticVessel`` as ``hepatic_vessel``; the file's own name where the folder was renamed."""
    found = re.fullmatch(r"Task\d+_(\w+)", folder)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", found[1] if found else name).lower()


def _finding(organ: str, label: str) -> str:
    name = snake(label)
    return name if name.startswith(organ) else f"{organ}_{name}"


def _add(cohort: SourceCohort, task: Path, entry: Any, names: dict[int, str], is_ct: bool) -> None:
    image, label = listed_file(task, entry), listed_file(task, entry, "label")
    study = stem(image.name)
    if not is_ct:
        return cohort.skip(study, "MR is not read yet")
    return add_segmented_ct(cohort, study, image, label, names)
