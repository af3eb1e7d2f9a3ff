"""Which text is the report of which image: by name, by being alone with it, or by name in a folder beside.

Nothing is guessed: where a text could belong to several images, or an image has several texts, none is taken.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unimedi.cohort.sources.images import Found
from unimedi.cohort.sources.scan import stem

# Names that no report has: of what comes with a disc or a data set.
NO_REPORT = (
    *("readme", "license", "licence", "copying", "copyright", "changelog", "changes", "notice", "citation", "authors"),
    *("disclaimer", "terms", "manifest", "liesmich", "lisezmoi", "leeme", "leame", "leiame", "leggimi", "index"),
    *("install", "autorun", "viewer", "requirements", "version"),
)


@dataclass(slots=True)
class Pairs:
    """By the image's path: its report, or why it has none; ``elsewhere`` are those whose report lies in another folder
    than where one looks first."""

    reports: dict[Path, Path] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)
    elsewhere: set[Path] = field(default_factory=set)

    def open(self, found: Iterable[Found]) -> list[Found]:
        """The images that still lack a report and may have one."""
        return [one for one in found if one.path not in self.reports and one.path not in self.refused]

    def free(self, texts: Iterable[Path]) -> list[Path]:
        """The texts that may be a report and are none yet."""
        used = set(self.reports.values())
        return [text for text in texts if text not in used and not is_no_report(text)]


def is_no_report(text: Path) -> bool:
    """Whether the name is one that no report has."""
    return "".join(filter(str.isalpha, text.stem.casefold())).startswith(NO_REPORT)


def one_examination(images: Sequence[Found]) -> bool:
    """Whether one report can be about all of them: there is one image, or their headers state one examination."""
    studies = {one.examination for one in images}
    return len(images) == 1 or (len(studies) == 1 and "" not in studies)


def by_name(found: Sequence[Found], texts: Sequence[Path], pairs: Pairs) -> None:
    """Texts of an image's name beside it; capitals count only where two names differ in nothing else."""
    named: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for text in texts:
        named[text.parent, stem(text.name).casefold()].append(text)
    exact = {(one.path.parent, stem(one.path.name)) for one in found}
    for one in pairs.open(found):
        own = stem(one.path.name)
        several = named.get((one.path.parent, own.casefold()), [])
        same = [text for text in several if stem(text.name) == own]
        candidates = same or [text for text in several if (text.parent, stem(text.name)) not in exact]
        if len(candidates) == 1:
            pairs.reports[one.path] = candidates[0]
        elif candidates:
            pairs.refused[one.path] = several_texts(candidates)


def by_being_alone(found: Sequence[Found], texts: Sequence[Path], pairs: Pairs) -> None:
    """A folder's only other text, where all images of the folder are one examination."""
    lone: Mapping[Path, list[Path]] = by_folder(pairs.free(texts))
    there: dict[Path, list[Found]] = defaultdict(list)
    for one in found:
        for folder in (one.path, one.path.parent) if one.files else (one.path.parent,):
            there[folder].append(one)
    for folder, images in sorted(there.items(), reverse=True):  # inside a folder of slices goes before beside it
        if len(lone.get(folder, ())) == 1 and one_examination(images):
            for one in pairs.open(images):
                pairs.reports[one.path] = lone[folder][0]


def by_folder(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    found: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        found[path.parent].append(path)
    return found


def several_texts(texts: Iterable[Path]) -> str:
    return "several texts of its name: " + ", ".join(sorted(text.name for text in texts))
