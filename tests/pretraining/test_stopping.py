"""A first signal waits for the loop, a second one acts at once; the error carries the shell's exit code."""

import signal

import pytest
from lightning.fabric import Fabric

from unimedi.pretraining.stopping import InterruptedRunError, StopRequest


def test_a_first_signal_is_kept_and_a_second_one_acts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with StopRequest(Fabric(accelerator="cpu", devices=1)) as stop:
        assert stop.requested() == 0
        signal.raise_signal(signal.SIGINT)
        assert stop.requested() == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_error_says_what_stopped_the_run_and_how_to_go_on(signum: int, code: int) -> None:
    error = InterruptedRunError(signum, 7)
    assert error.exit_code == code
    assert str(error) == f"stopped by {signal.Signals(signum).name} after 7 steps; continue with --resume"
