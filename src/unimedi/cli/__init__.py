"""The command line: ``unimedi SUBCOMMAND``, each a dataclass of options with ``run``. Heavy imports wait for a run."""

import sys
from collections.abc import Sequence
from typing import Final

from unimedi.errors import UnimediError

OK, FAILED = 0, 2
_LARGE_BLOCKS: Final = ("pretrain", "evaluate", "slice-eval", "reproduce", "finetune", "segment")  # environment.py


def main(words: Sequence[str] | None = None) -> int:
    """Run ``unimedi WORDS``.

    Args:
        words: the arguments; default: this process's.

    Returns:
        The exit code: 0 done; 2 an error that a sentence explains; 130 / 143 stopped by Ctrl-C / SIGTERM, and saved.

    Raises:
        SystemExit: help was asked for (0), or the words are none that the command knows (2).
        Exception: a bug; what a person can cause is a sentence.
    """
    from unimedi.cli.commands import find

    command, rest = find(list(sys.argv[1:] if words is None else words))
    if words is None and command.name in _LARGE_BLOCKS:
        from unimedi.cli.environment import restart_with_environment

        command.check(rest)
        restart_with_environment()
    try:
        command.run(rest)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sentence = str(error) if _explains_itself(error) else _foreign_fault(error)
        if not sentence:
            raise
        print(f"unimedi {command.name}: {sentence}", file=sys.stderr)
        return int(getattr(error, "exit_code", FAILED))
    return OK


def _explains_itself(error: BaseException) -> bool:
    """Whether the message is ours, or the system's about a file: a sentence is enough. Anything else is a bug."""
    return isinstance(error, UnimediError) or (isinstance(error, OSError) and bool(error.filename))


def _foreign_fault(error: BaseException) -> str:
    """What another package that is installed here does to those that we import; empty where it is not that."""
    if not isinstance(error, ImportError):
        return ""
    from unimedi.inputs.torchvision_fault import torchvision_fault

    return torchvision_fault(error)
