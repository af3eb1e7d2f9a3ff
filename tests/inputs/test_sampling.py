"""The order of studies: stateless, each study once an epoch, ranks share a step without overlap."""

from hypothesis import given, settings
from hypothesis import strategies as st

from unimedi.inputs.sampling import micro_batch_studies, micro_batches_of, study_at


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 30), st.integers(0, 5), st.integers(0, 3), st.integers(0, 4))
def test_an_epoch_shows_every_study_once(length: int, seed: int, stream: int, epoch: int) -> None:
    studies = [10 * i for i in range(length)]
    seen = [study_at(studies, seed, stream, epoch * length + i) for i in range(length)]
    assert sorted(seen) == studies


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 20), st.integers(1, 6), st.integers(0, 9))
def test_micro_batches_share_the_stream_out(length: int, size: int, number: int) -> None:
    """Also where an epoch ends in the middle of one."""
    studies = list(range(length))
    shared = [i for each in range(number) for i in micro_batch_studies(studies, 0, 0, each, size)]
    assert shared == [study_at(studies, 0, 0, place) for place in range(number * size)]


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(0, 5), st.integers(0, 5))
def test_a_step_has_the_same_micro_batches_on_any_number_of_ranks(each: int, ranks: int, step: int, more: int) -> None:
    alone = micro_batches_of(step, step + more, each * ranks)
    shared = [micro_batches_of(step, step + more, each, rank, ranks) for rank in range(ranks)]
    assert sorted(number for numbers in shared for number in numbers) == list(alone)
    for place in range(more):  # step for step, as many for each
        of_step = sorted(n for numbers in shared for n in numbers[place * each : (place + 1) * each])
        assert of_step == list(micro_batches_of(step + place, step + place + 1, each * ranks))


def test_epochs_streams_and_seeds_differ() -> None:
    studies = list(range(100))
    orders = {
        tuple(study_at(studies, seed, stream, epoch * 100 + i) for i in range(100))
        for seed in (0, 1)
        for stream in (0, 1)
        for epoch in (0, 1)
    }
    assert len(orders) == 8
