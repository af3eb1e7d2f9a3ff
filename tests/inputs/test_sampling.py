"""The order of studies: stateless, each study once an epoch, ranks share a step without overlap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.inputs.sampling import step_studies, study_at


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(0, 5), st.integers(0, 3), st.integers(0, 4))
def test_an_epoch_shows_every_study_once(length: int, seed: int, stream: int, epoch: int) -> None:
    studies = [10 * i for i in range(length)]
    seen = [study_at(studies, seed, stream, epoch * length + i) for i in range(length)]
    assert sorted(seen) == studies


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 3), st.integers(0, 9))
def test_ranks_split_what_one_process_would_see(length: int, size: int, ranks: int, step: int) -> None:
    studies = list(range(length))
    alone = step_studies(studies, 0, 0, step, size * ranks)
    shared = [i for rank in range(ranks) for i in step_studies(studies, 0, 0, step, size, rank, ranks)]
    assert shared == alone


def test_epochs_streams_and_seeds_differ() -> None:
    studies = list(range(100))
    orders = {
        tuple(study_at(studies, seed, stream, epoch * 100 + i) for i in range(100))
        for seed in (0, 1)
        for stream in (0, 1)
        for epoch in (0, 1)
    }
    assert len(orders) == 8
