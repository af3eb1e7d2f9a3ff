"""``unimedi reproduce slices``: when are slices worth their cost? One recipe, one thing changed at a time.

A point of the map is a hospital, a volume input and a number of steps. Each is trained and then measured by
``unimedi slice-eval``; a finished one is a file and is not run twice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from unimedi import __version__
from unimedi.cohort.sources.phantom import phantom_cohort
from unimedi.errors import InputError, nearest
from unimedi.evaluation.slices.over_time import selection_over_time
from unimedi.experiments.registry import pretrain
from unimedi.files.json_lines import read_json_lines
from unimedi.files.lock import alone_at
from unimedi.inputs.prepare import prepare
from unimedi.inputs.store import Store
from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.optimization.schedule import amount_and_unit
from unimedi.phantom.hospital import build_hospital
from unimedi.phantom.presets import HospitalPreset, find_preset
from unimedi.pretraining.recipe_file import load_recipe
from unimedi.pretraining.recipe_names import find_recipe
from unimedi.pretraining.run_folder import RunFolder
from unimedi.reporting.commands import slice_eval
from unimedi.reproduction.results import Result, find_result, write_result
from unimedi.reproduction.row import Say, machine
from unimedi.reproduction.terms import Budget, Terms, settings_of

CENTRE = "focal"  # the point that all axes share
SEED = 0  # of the hospitals
SELECTORS = ("attentive", "random", "centre", "prior", "intensity", "untrained", "oracle")
METRICS = ("hit@1", "hit@2", "auroc", "depth_error_mm@1", "innocents@1", "detail_auroc", "r@10")
INPUTS = ("as_shipped", "volume_alone", "random_slices", "oracle_slices", "slices_alone")


@dataclass(frozen=True)
class Point:
    """What differs from the recipe and from its hospital; ``steps``: how many times as many."""

    name: str
    words: tuple[str, ...] = ()
    hospital: Mapping[str, Any] = field(default_factory=dict)
    steps: float = 1.0


@dataclass(frozen=True)
class Axis:
    """One thing that changes: what it is called, and its values from left to right with the point of each."""

    name: str
    label: str
    points: Mapping[str, str]


def _volume(size: int) -> Point:
    return Point(f"volume-{size}", ("--preprocess.volume_shape", f"[16,{size},{size}]"))


def _width(low: int, high: int) -> Point:
    return Point(f"width-{low}-{high}", hospital={"lesion_width_mm": (low, high)})


POINTS: tuple[Point, ...] = (
    Point(CENTRE),
    _width(25, 45),
    _width(35, 65),
    _volume(16),
    _volume(32),
    Point("steps-half", steps=0.5),
    Point("steps-longer", steps=1.5),
    Point("shuffled-reports", ("--experiment", "shuffled_reports")),  # on no axis: a control
)
AXES: tuple[Axis, ...] = (
    Axis("width", "width of lesions (mm)", {"25-45": "width-25-45", "35-65": "width-35-65", "50-90": CENTRE}),
    Axis("volume", "volume input (voxels across)", {"16": "volume-16", "32": "volume-32", "64": CENTRE}),
    Axis("steps", "training steps", {"half": "steps-half", "recipe": CENTRE, "half again": "steps-longer"}),
)


@dataclass(frozen=True)
class SliceMap:
    """The map on one kind of hospital, with one recipe.

    Args:
        preset: the hospital that points change.
        recipe: the recipe that points change.
        out: where hospitals, stores and runs go.
        results: where a JSON for each finished point goes.
        steps: of the centre.
    """

    preset: HospitalPreset
    recipe: Path
    out: Path
    results: Path
    steps: int
    say: Say = print

    def run(self, points: Sequence[Point], seeds: int = 1) -> list[Path]:
        """Train and measure each point with seeds 0, 1, …; returns the files of the results."""
        return [self.finished(point, seed) for seed in range(seeds) for point in points]

    def finished(self, point: Point, seed: int) -> Path:
        """The file of a point; measured where it is not there yet."""
        store = self.store(point)
        terms = self.terms(point, seed, Store.open(store).fingerprint)
        run = self.out / terms.folder / terms.label
        with alone_at(run):
            result = find_result(self.results, terms)
            if result is None:
                self.say(f"--- {point.name}, seed {seed}, {terms.budget}")
                result = self.measured(point, terms, store, run)
            else:
                self.say(f"{point.name}, seed {seed}: finished before, taken from {self.results}")
            return write_result(result, self.results)

    def current(self, results: Sequence[Result], points: Sequence[Point]) -> list[Result]:
        """Those of these points whose recipe and steps are as they are now; InputError where a point has two stores."""
        found = []
        for point in points:
            named = [r for r in results if r.terms.name == point.name]
            mine = [r for r in named if r.terms.serve(self.terms(point, r.terms.seed, r.terms.store))]
            if len(stores := sorted({r.terms.store[:12] for r in mine})) > 1:
                raise InputError(f"{self.results}: {point.name} is there of several hospitals ({', '.join(stores)})")
            found += mine
        return found

    def terms(self, point: Point, seed: int, store: str) -> Terms:
        """What decides what is measured of a point; ``store``: the fingerprint."""
        budget = Budget(steps=max(1, round(self.steps * point.steps)))
        return Terms(point.name, seed, budget.name, store, settings_of(self.recipe, seed, point.words))

    def measured(self, point: Point, terms: Terms, store: Path, run: Path) -> Result:
        words = [*point.words, "--duration", terms.budget, "--seed", str(terms.seed)]
        pretrain(load_recipe(self.recipe, words), store, run, resume=True, on_validation=selection_over_time)
        found, folder = slice_eval(run, store, say=self.say), RunFolder(run)
        lines, precision = read_json_lines(folder.log), folder.begun()["precision"]
        return Result(
            terms,
            len(lines),
            float(lines[-1]["seconds"]),
            f"{machine()}, {precision}",
            Measurements(kept(found.values())),
            software=f"unimedi {__version__}",
        )

    def store(self, point: Point) -> Path:
        """The prepared store of a point's hospital, made where it is not there yet; points share what is the same.

        Raises:
            HospitalError: the hospital below ``out`` is of other options: the preset was another when it was made.
        """
        preprocess = load_recipe(self.recipe, point.words).preprocess
        preset = self.preset.with_options(point.hospital)
        folder = self.out / (f"hospital-{point.name}" if point.hospital else "hospital")
        store = folder / f"store-{preprocess.fingerprint()[:8]}"
        build_hospital(folder / "phantom", preset, SEED)
        if not (store / "store.json").is_file():  # a finished one is not locked: points may be trained side by side
            prepare(phantom_cohort(folder / "phantom"), store, preprocess)
        return store


def kept(rows: Iterable[Measurement]) -> list[Measurement]:
    """Of what slice-eval measures, what the map is about: some selectors and inputs, over all lesions."""
    methods = {"slice_selection": SELECTORS, "input_ablation": INPUTS}
    whole = [row for row in rows if row.metric in METRICS and not row.finding and not row.size]
    return [row for row in whole if {row.method, row.minus} <= {"", *methods.get(row.task, ())} and row.method]


def chosen_points(names: Sequence[str] = ()) -> list[Point]:
    """Those named, or all; InputError names what is no point."""
    known = {point.name: point for point in POINTS}
    if unknown := [name for name in names if name not in known]:
        told = ", ".join(f"{name}{nearest(name, known)}" for name in unknown)
        raise InputError(f"no point {told} in the map; there are {', '.join(known)}")
    return [point for point in POINTS if point.name in names or not names]


def of_control(out: Path, results: Path, steps: int | None = None) -> SliceMap:
    """The map of the control hospital with the recipe made for it; ``steps`` in place of the recipe's."""
    own, unit = amount_and_unit(load_recipe(recipe := find_recipe(CENTRE)).duration)
    assert unit == "step", "the map's axis of steps needs a recipe in steps"
    return SliceMap(find_preset(CENTRE), recipe, out, results, steps or round(own))
