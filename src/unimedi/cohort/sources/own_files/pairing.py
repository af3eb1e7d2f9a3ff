"""Which text is the report of which image: by name, by being alone with it, or by name in a folder beside.

Nothing is guessed: where a text could belong to several images, or an image has several texts, none is taken.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from unimedi.cohort.sources.file_names import stem
from unimedi.cohort.sources.own_files.images import FoundImage

# Names that no report has, of what comes with a disc or a data set: how they begin, and whole ones.
NO_REPORT_BEGINS = ("readme", "license", "licence", "copyright", "changelog", "liesmich", "lisezmoi", "leeme", "leiame")
NO_REPORT = {
    *("copying", "changes", "notice", "citation", "authors", "disclaimer", "terms", "eula", "manifest", "metadata"),
    *("checksum", "checksums", "md5sums", "shasums", "filelist", "labels", "classes", "log", "version", "requirements"),
    *("annotation", "annotations", "info", "information", "description", "datadescription", "datasetdescription"),
    *("index", "install", "autorun", "viewer", "help", "about", "faq", "leame", "leggimi"),
}


@dataclass(slots=True)
class Pairs:
    """Which text is the report of which image, as far as it is known.

    Attributes:
        named_for_others: texts that bear the name of a file which is not an image for us.
        reports: the report of an image, by the image's path.
        refused: why an image has no report, by the image's path.
        elsewhere: images whose report lies in a folder beside.
        doubtful: texts that could be the report of several images.
    """

    named_for_others: set[Path]
    reports: dict[Path, Path] = field(default_factory=dict)
    refused: dict[Path, str] = field(default_factory=dict)
    elsewhere: set[Path] = field(default_factory=set)
    doubtful: set[Path] = field(default_factory=set)

    def without_report(self, found: Iterable[FoundImage]) -> list[FoundImage]:
        """The images that still lack a report and may have one."""
        return [one for one in found if one.path not in self.reports and one.path not in self.refused]

    def unused_texts(self, texts: Iterable[Path]) -> list[Path]:
        """The texts that may be a report and are none yet."""
        used = set(self.reports.values()) | self.named_for_others
        return [text for text in texts if text not in used and not is_no_report(text)]

    def unused(
        self, texts: Iterable[Path], found: Iterable[FoundImage], taken: Iterable[FoundImage]
    ) -> Iterator[tuple[Path, str]]:
        """Each text that is the report of no image among those ``taken``, and why."""
        used = {self.reports[one.path] for one in taken}
        meant = set(self.reports.values()) | self.named_for_others
        beside = Counter(one.path.parent for one in found)
        for text in texts:
            if text in used:
                continue
            if text in meant:
                yield text, "the file of its name is left out"
            elif text in self.doubtful or (beside[text.parent] > 1 and not is_no_report(text)):
                yield text, "not clear of which image"
            else:
                yield text, "no report by its name" if is_no_report(text) else "no image"


def texts_of_other_files(texts: Iterable[Path], found: Iterable[FoundImage], files: Iterable[Path]) -> set[Path]:
    """The texts that bear the name of a file beside them which is neither an image for us, nor a slice, nor a text."""
    texts = set(texts)
    ours = {path for one in found for path in (one.path, *one.files)}
    names = {(file.parent, folded(stem(file.name))) for file in files if file not in ours and file not in texts}
    return {text for text in texts if (text.parent, folded(stem(text.name))) in names}


def is_no_report(text: Path) -> bool:
    """Whether the name is one that no report has."""
    name = "".join(filter(str.isalpha, text.stem.casefold()))
    return name in NO_REPORT or name.startswith(NO_REPORT_BEGINS)


def one_examination(images: Sequence[FoundImage]) -> bool:
    """Whether one report can be about all of them: there is one image, or their headers state one examination."""
    studies = {one.examination for one in images}
    return len(images) == 1 or (len(studies) == 1 and "" not in studies)


def by_name(found: Sequence[FoundImage], texts: Sequence[Path], pairs: Pairs) -> None:
    """Texts of an image's name beside it; capitals count only where two names differ in nothing else."""
    named: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for text in texts:
        named[text.parent, folded(stem(text.name))].append(text)
    exact = {(one.path.parent, stem(one.path.name)) for one in found}
    for one in pairs.without_report(found):
        own = stem(one.path.name)
        names = dict.fromkeys((folded(own), folded(one.path.name)))  # a.txt, and a.png.txt
        several = [text for name in names for text in named.get((one.path.parent, name), ())]
        same = [text for text in several if stem(text.name) == own]
        candidates = same or [text for text in several if (text.parent, stem(text.name)) not in exact]
        if len(candidates) == 1:
            pairs.reports[one.path] = candidates[0]
        elif candidates:
            pairs.refused[one.path] = several_texts(candidates)
            pairs.doubtful |= set(candidates)


def by_only_text(found: Sequence[FoundImage], texts: Sequence[Path], pairs: Pairs) -> None:
    """A folder's only other text, where all images of the folder are one examination."""
    lone: Mapping[Path, list[Path]] = by_folder(pairs.unused_texts(texts))
    there: dict[Path, list[FoundImage]] = defaultdict(list)
    for one in found:
        for folder in (one.path, one.path.parent) if one.files else (one.path.parent,):
            there[folder].append(one)
    for folder, images in sorted(there.items(), reverse=True):  # inside a folder of slices goes before beside it
        if len(lone.get(folder, ())) == 1 and one_examination(images):
            for one in pairs.without_report(images):
                pairs.reports[one.path] = lone[folder][0]


def folded(name: str) -> str:
    """A name without regard to capitals, or to how a system composes accents."""
    return unicodedata.normalize("NFC", name).casefold()


def by_folder(paths: Iterable[Path]) -> dict[Path, list[Path]]:
    found: dict[Path, list[Path]] = defaultdict(list)
    for path in paths:
        found[path.parent].append(path)
    return found


def several_texts(texts: Iterable[Path]) -> str:
    return "several texts of its name: " + ", ".join(sorted(text.name for text in texts))
