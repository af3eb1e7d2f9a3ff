"""The model card of a pretrained folder, made from the files that its run left."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from unimedi.files.atomic import write_text

CARD: Final = "README.md"
BEGIN, END = "<!-- figures:begin -->\n", "<!-- figures:end -->"  # what stands between is written anew with new figures
FIGURES: Final = {  # keys of metrics.json, and what a reader calls them; a reference follows what it belongs to
    "zero_shot/xray/auroc": "zero-shot macro AUROC, X-ray",
    "zero_shot/ct/auroc": "zero-shot macro AUROC, CT",
    "retrieval/xray/image_to_report/r@10": "image → report R@10, X-ray",
    "retrieval/xray/image_to_report/chance@10": "… by chance",
    "retrieval/ct/image_to_report/r@10": "image → report R@10, CT",
    "retrieval/ct/image_to_report/chance@10": "… by chance",
    "cross_modal/xray_to_ct/paired/r@10": "X-ray → CT of the same patient, R@10",
    "cross_modal/xray_to_ct/paired/chance@10": "… by chance",
    "slice_selection/attentive/hit@1": "slice selection hit@1, attentive",
    "slice_selection/random/hit@1": "… random",
    "slice_selection/centre/hit@1": "… centre",
}
USE: Final = """```python
import unimedi

model = unimedi.load("{name}")
model.similarity("chest.dcm", ["Large pleural effusion.", "No pleural effusion."])
```"""
NOT_RECORDED: Final = "not recorded"


def write_card(folder: Path, run: Path) -> None:
    """Write ``README.md`` in the layout of the Hugging Face hub, without figures: nothing has measured these weights.

    Args:
        folder: a pretrained folder, with its ``config.json``.
        run: its run folder, with ``recipe.yaml`` and ``environment.json``.
    """
    config, begun = _json(folder / "config.json"), _json(run / "environment.json")
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8")
    write_text(folder / CARD, _front_matter(config, begun) + _body(run, config, begun, recipe))


def renew_figures(run: Path) -> None:
    """Write the figures of a run's ``metrics.json`` into the card of its model, which a run of before lacks.

    All else that a person wrote into it stays; a card without the marks of the table is left as it is.
    """
    folder = run / "pretrained"
    card = folder / CARD
    if not card.is_file() and (folder / "config.json").is_file() and (run / "recipe.yaml").is_file():
        write_card(folder, run)
    text = card.read_text(encoding="utf-8") if card.is_file() else ""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if begin and end:
        write_text(card, before + begin + _figures(_json(run / "metrics.json")) + end + after)


def _front_matter(config: Mapping[str, Any], begun: Mapping[str, Any]) -> str:
    fields: dict[str, Any] = {
        "license": "apache-2.0" if begun.get("phantom") else "other",
        "library_name": "unimedi",
        "pipeline_tag": "zero-shot-image-classification",
        "tags": ["medical-imaging", "radiology", "x-ray", "ct", "unimedi"],
    }
    if languages := list(config.get("report_languages") or ()):
        fields["language"] = languages
    if begun.get("phantom"):
        fields["tags"].append("synthetic-data")
    return f"---\n{yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)}---\n\n"


def _body(run: Path, config: Mapping[str, Any], begun: Mapping[str, Any], recipe: str) -> str:
    settings, sizes, size = yaml.safe_load(recipe), config["preprocess"], config["embedding_size"]
    seen = f"X-rays of {_size(sizes['radiograph_size'])} pixels, CTs of {_size(sizes['hires_shape'])} voxels"
    languages = ", ".join(config.get("report_languages") or ()) or NOT_RECORDED
    return f"""# {run.resolve().name}: X-rays, CTs and reports in one space

A UniMedI model (He et al., ECCV 2024, arXiv:2311.14851; the code is not theirs): one vision transformer for radiographs
and volumes, trained against their reports. An image or a sentence becomes {size} numbers, a vector of unit length.

{USE.format(name=run.name)}

## Data

{_about(begun)}

| | |
|---|---|
| store | `{begun.get("store", NOT_RECORDED)}` (SHA-256) |
{_counts(begun.get("studies"))}| languages of the reports | {languages} |

## Figures

{BEGIN}{_figures({})}{END}

## Training

| | |
|---|---|
| method, experiment | {settings["method"]}, {settings["experiment"]} |
| steps, seed | {begun.get("steps", NOT_RECORDED)}, {settings["seed"]} |
| machine | {begun.get("processor", NOT_RECORDED)}, {begun.get("devices", "?")} x {begun.get("device", "?")} |
| precision | {begun.get("precision", NOT_RECORDED)} |
| software | {", ".join(f"{name} {version}" for name, version in begun.get("packages", {}).items()) or NOT_RECORDED} |

<details><summary>The recipe</summary>

```yaml
{recipe.strip()}
```

</details>

## Limits

- For research. Not validated for clinical use, and not for diagnosis.
- It takes {seen}: what is larger is averaged down. Of a text it reads {config["text_length"]} tokens.
- It knows what its reports spoke of, in their languages. Scanners, hospitals and patients elsewhere may be unlike.

## Licence

{_licence(begun)}
"""


def _about(begun: Mapping[str, Any]) -> str:
    if begun.get("phantom"):
        return (
            "Trained **on the phantom**: synthetic images and reports of a hospital without patients. Every figure "
            "here is a figure on the phantom, and says nothing about patients."
        )
    if "phantom" not in begun:
        return "The run does not say what hospital the data are of."
    return "Trained on studies of the one who trained it; the fingerprint says which store these were prepared into."


def _licence(begun: Mapping[str, Any]) -> str:
    if begun.get("phantom"):
        return "Apache-2.0, as the code; the data are synthetic."
    return (
        "The code is Apache-2.0. What may be done with these weights, whoever owns the data has to say: write it here "
        "and into the head of this file before the model is handed on."
    )


def _counts(studies: Mapping[str, Mapping[str, int]] | None) -> str:
    if studies is None:
        return f"| studies | {NOT_RECORDED} |\n"
    words = {"xray": "X-rays", "ct": "CTs"}
    return "".join(
        f"| {split} | {', '.join(f'{count} {words.get(kind, kind)}' for kind, count in kinds.items())} |\n"
        for split, kinds in studies.items()
    )


def _figures(found: Mapping[str, Mapping[str, Any]]) -> str:
    """A table with 95 % intervals, or that there are none yet."""
    rows = [f"| {name} | {_value(found[key])} |\n" for key, name in FIGURES.items() if key in found]
    if not rows:
        return "None yet: `unimedi evaluate` measures them and writes them here.\n"
    return "| figure | value | 95 % interval | studies |\n|---|---|---|---|\n" + "".join(rows)


def _value(row: Mapping[str, Any]) -> str:
    value, low, high = (
        f"{number:.3f}" if number is not None else "" for number in map(row.get, ("value", "low", "high"))
    )
    return f"{value} | {f'{low} to {high}' if low and high else ''} | {row.get('n') or ''}"


def _size(sizes: list[int]) -> str:
    return " x ".join(map(str, sizes))


def _json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_bytes())) if file.is_file() else {}
