"""The tables of downstream tasks: references beside the trained rows, published figures below, with their source."""

from dataclasses import replace

from tests.reproduction.test_table import on
from unimedi.evaluation.task_file import find_task
from unimedi.reproduction.downstream import task_key
from unimedi.reproduction.results import Answers, Result
from unimedi.reproduction.table import tables
from unimedi.reproduction.task_table import task_tables


def answered(task: str, seed: int = 0, store: str = "elsewhere", key: str = "", **figures: float) -> Result:
    told = {key.replace("__", "/").replace("_pc", "%"): {"value": value} for key, value in figures.items()}
    return replace(on(seed=seed), tasks=[Answers(task, key, store, told)])


def rows(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_shares_are_columns_and_references_are_rows() -> None:
    first = answered(
        "rsna_pneumonia",
        linear_probe__xray__1_pc__auroc=0.7,
        linear_probe_sgd__xray__1_pc__auroc=0.6,
        random_init__xray__1_pc__auroc=0.55,
        random_init_sgd__xray__1_pc__auroc=0.52,
        pca__xray__1_pc__auroc=0.5,
    )
    second = answered("rsna_pneumonia", 1, linear_probe__xray__1_pc__auroc=0.8, linear_probe_sgd__xray__1_pc__auroc=0.6)
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
    one = answered(
        "btcv",
        segmentation__ct__unetr__100_pc__dice_all=0.4,
        segmentation_random_init__ct__unetr__100_pc__dice_all=0.3,
        segmentation_trivial__ct__dice_all=0.2,
    )
    (text,) = task_tables([one])
    assert [row.split(" | ")[2].rstrip(" |") for row in rows(text)[1:]] == ["0.400", "0.300", "0.200"]


def test_another_store_of_the_task_is_another_table_behind_the_main_one() -> None:
    here = answered("cc_ccii", linear_probe__ct__1_pc__choice_acc=0.5)
    there = answered("cc_ccii", 1, "another", linear_probe__ct__1_pc__choice_acc=0.6)
    text = tables([here, there])
    assert text.index("**60 steps a run**") < text.index("**cc_ccii**")
    assert text.count("**cc_ccii**") == 2


def test_a_task_of_ones_own_is_not_the_shipped_one_of_its_name() -> None:
    """Neither its figures nor those that others have published stand in the shipped one's table."""
    shipped = find_task("rsna_pneumonia")
    own = replace(shipped, classes={"nodule": "nodule"})
    assert task_key(replace(shipped, notes=("read again",))) == task_key(shipped) != task_key(own)
    asked = [
        answered("rsna_pneumonia", seed, key=task_key(task), linear_probe__xray__1_pc__auroc=0.7)
        for seed, task in enumerate((shipped, own))
    ]
    texts = task_tables(asked)
    assert len(texts) == 2
    assert sorted("ConVIRT" in text for text in texts) == [False, True]
    assert all("| unimedi | 1 | 0.700 |" in text for text in texts)
