"""The tables of downstream tasks: references beside the trained rows, published figures below, with their source."""

from dataclasses import replace

from tests.reproduction.test_table import on
from unimedi.evaluation.task_file import find_task
from unimedi.metrics.measurement import Measurement, Measurements
from unimedi.reproduction.downstream import task_key
from unimedi.reproduction.results import Answers, Result
from unimedi.reproduction.table import tables
from unimedi.reproduction.task_table import task_tables


def answered(task: str, *rows: Measurement, seed: int = 0, store: str = "elsewhere", key: str = "") -> Result:
    return replace(on(seed=seed), tasks=[Answers(task, key, store, Measurements(rows))])


def probe(value: float, modality: str = "xray", metric: str = "auroc", **name: str) -> Measurement:
    return Measurement(value, task="linear_probe", modality=modality, share=0.01, metric=metric, **name)


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_shares_are_columns_and_references_are_rows() -> None:
    first = answered(
        "rsna_pneumonia",
        probe(0.7),
        probe(0.6, variant="sgd"),
        probe(0.55, method="random_init"),
        probe(0.52, variant="sgd", method="random_init"),
        probe(0.5, method="pca"),
    )
    second = answered("rsna_pneumonia", probe(0.8), probe(0.6, variant="sgd"), seed=1)
    (text,) = task_tables([first, second])
    head, trained, never, pixels = rows(text)
    assert head == (
        "| method | seeds | linear probe, 1% of the labels | linear probe, MGCA's protocol, 1% of the labels |"
    )
    assert trained == "| unimedi | 2 | 0.750 ± 0.071 | 0.600 ± 0.000 |"
    assert never == "| never trained | 1 | 0.550 | 0.520 |"
    assert pixels == "| PCA of the pixels | 1 | 0.500 | – |"
    assert "- ConVIRT: auroc 1% 0.774, 10% 0.801, 100% 0.813 (MaCo, Nature Communications 15 (2024), Table 1)" in text
    assert "UNVERIFIED" not in text


def test_segmentation_stands_beside_random_weights_and_the_predictor_that_marks_nothing() -> None:
    masks = {"task": "segmentation", "modality": "ct", "metric": "dice_all"}
    one = answered(
        "btcv",
        Measurement(0.4, **masks, variant="unetr", share=1.0),
        Measurement(0.3, **masks, variant="unetr", share=1.0, method="random_init"),
        Measurement(0.2, **masks, method="trivial"),
    )
    (text,) = task_tables([one])
    assert [row.split(" | ")[2].rstrip(" |") for row in rows(text)[1:]] == ["0.400", "0.300", "0.200"]


def test_another_store_of_the_task_is_another_table_behind_the_main_one() -> None:
    here = answered("cc_ccii", probe(0.5, "ct", "multiclass_accuracy"))
    there = answered("cc_ccii", probe(0.6, "ct", "multiclass_accuracy"), seed=1, store="another")
    text = tables([here, there])
    assert text.index("**60 steps a run**") < text.index("**cc_ccii**")
    assert text.count("**cc_ccii**") == 2


def test_a_task_of_ones_own_is_not_the_shipped_one_of_its_name() -> None:
    """Neither its figures nor those that others have published stand in the shipped one's table."""
    shipped = find_task("rsna_pneumonia")
    own = replace(shipped, classes={"nodule": "nodule"})
    assert task_key(replace(shipped, notes=("read again",))) == task_key(shipped) != task_key(own)
    asked = [
        answered("rsna_pneumonia", probe(0.7), seed=seed, key=task_key(task))
        for seed, task in enumerate((shipped, own))
    ]
    texts = task_tables(asked)
    assert len(texts) == 2
    assert sorted("ConVIRT" in text for text in texts) == [False, True]
    assert all("| unimedi | 1 | 0.700 |" in text for text in texts)
