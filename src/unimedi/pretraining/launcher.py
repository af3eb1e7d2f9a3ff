"""Start the ranks of a run, watch them, end all when one dies: torch's elastic agent.

``torchrun`` does the same from outside. Whoever starts them, a rank knows its place from the environment.
"""

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import torch

from unimedi.errors import InputError, StateError

GRACE: Final = 25  # s between SIGTERM and SIGKILL: SLURM and Kubernetes give 30
_LOOK: Final = 0.5  # s between two looks at the ranks
_SIGNALS: Final = "SIGTERM,SIGINT,SIGHUP"
SAID: Final = 2  # exit code of a rank that has said in a sentence what is wrong
_PR_SET_PDEATHSIG: Final = 1  # of prctl(2)


class RankError(StateError):
    """A rank died, and the run with it."""


def started_from_outside() -> bool:
    """Whether this process is one of several ranks that ``launch`` or ``torchrun`` has started."""
    return torch.distributed.is_available() and torch.distributed.is_torchelastic_launched()


def rank() -> int:
    """This process's number among all ranks; 0 for the only one."""
    return int(os.environ["RANK"]) if started_from_outside() else 0


def ranks_of(devices: int, nodes: int) -> tuple[int, int]:
    """Ranks a machine and machines, as whoever started this rank has said; else what is given."""
    if not started_from_outside():
        return devices, nodes
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    return here, int(os.environ["WORLD_SIZE"]) // here


def restarted() -> bool:
    """Whether this rank was started anew because one of the ranks had died: it goes on from the last checkpoint."""
    return started_from_outside() and int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")) > 0


def end_with_the_launcher() -> None:
    """SIGTERM comes to this rank when the process that started it is gone, so that none is left behind (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def launch(words: Sequence[str], devices: int, nodes: int = 1, meeting_point: str = "", restarts: int = 0) -> None:
    """Run ``unimedi WORDS`` as ``devices`` ranks on this machine, and wait for them.

    Args:
        words: the command.
        devices: ranks a machine.
        nodes: machines; the same command runs on each.
        meeting_point: ``HOST:PORT`` of one of the machines, the same on all; for several machines.
        restarts: how often all ranks are started anew when one dies.

    Raises:
        RankError: a rank died; its number is named.
        SystemExit: a signal came and was passed on, or every rank has said what is wrong.
        InputError: several machines and no meeting point.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.rendezvous.api import RendezvousError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if nodes > 1 and not meeting_point:
        raise InputError(f"--nodes {nodes}: expected --meeting-point HOST:PORT of one of them, the same on all")
    logging.disable(logging.ERROR)  # the agent's own lines: what happened is said below, in a sentence
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # DDP warns in a run whose steps differ in what they use
    # A store of its own for each start: in a shared one ranks that start anew find the addresses of those before.
    os.environ["TORCH_DISABLE_SHARE_RDZV_TCP_STORE"] = "1"
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=devices,
        run_id="unimedi",
        rdzv_backend="c10d",
        rdzv_endpoint=meeting_point or "localhost:0",
        max_restarts=restarts,
        monitor_interval=_LOOK,
        signals_to_handle=_SIGNALS,
        shutdown_timeout=GRACE,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "unimedi", *words)
    except ChildFailedError as error:
        _ended({rank: failure.exitcode for rank, failure in error.failures.items()}, devices * nodes)
    except SignalException as error:
        raise SystemExit(128 + error.sigval) from error
    except RendezvousError as error:
        raise RankError(f"the {nodes} machines did not meet at {meeting_point}: {error}") from error
    finally:
        logging.disable(logging.NOTSET)


def _ended(codes: Mapping[int, int], ranks: int) -> NoReturn:
    """``codes``: exit codes by rank; -N where signal N killed it."""
    if all(code == SAID for code in codes.values()):
        raise SystemExit(SAID)
    # A rank that was killed takes the others with it: they lose their connection, or get the launcher's SIGTERM.
    killed = {number: code for number, code in codes.items() if code < 0 and code != -signal.SIGTERM}
    died = [f"rank {number} of {ranks} {_end(code)}" for number, code in sorted((killed or codes).items())]
    raise RankError(f"{', '.join(died)}; the other ranks were ended. Go on from the last checkpoint with --resume")


def _end(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
