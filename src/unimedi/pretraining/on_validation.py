"""What is measured on the validation split while a run trains: the loop knows when, a folder to the right knows what.

Nothing of training may depend on it: it draws nothing at random, and leaves the teacher as it was.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Final

from unimedi.inputs.store import Store
from unimedi.metrics.checks import NotComputable
from unimedi.model.processor import UniMediProcessor
from unimedi.model.unimedi import UniMediModel

MOMENTS: Final = 20  # of a run: every 5 %

Figures = Callable[[UniMediModel], Mapping[str, float]]  # of the teacher as it is now, by their names in the log
# Called once, before the first step; raises NotComputable where this model or store has nothing to measure.
OnValidation = Callable[[UniMediModel, UniMediProcessor, Store], Figures]


def begun(asked: OnValidation, model: UniMediModel, processor: UniMediProcessor, store: Store) -> Figures | None:
    """What measures; None where there is nothing to measure, and the reason is said."""
    try:
        return asked(model, processor, store)
    except NotComputable as reason:
        print(f"Nothing is measured on validation while this run trains: {reason}.", file=sys.stderr)
        return None


def due(done: int, total: int) -> bool:
    """Whether to measure after ``done`` of ``total`` steps: at each twentieth, so at the end too."""
    return done * MOMENTS // total > (done - 1) * MOMENTS // total
