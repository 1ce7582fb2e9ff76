"""The values that a run recorded epoch by epoch, read from TensorBoard's events in its folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_ALL = {"scalars": 0}  # otherwise TensorBoard's reader keeps only a sample


class Series(NamedTuple):
    """A value over the epochs in which it was recorded.

    Attributes:
        epoch: From 0, ascending, [E].
        value: [E].
    """

    epoch: NDArray[np.int64]
    value: NDArray[np.float64]


def read_epochs(folder: Path) -> Mapping[str, Series]:
    """All values that a run recorded, by name, such as ``loss/total``, ``valid/ndcg@10`` or ``diagnostics/alignment``.

    A resumed run has one event file for each part; if an epoch was trained twice, the second time counts.

    Args:
        folder: The run folder.

    Returns:
        Empty if there are no events, as in an archive.
    """
    if not any(folder.glob("events.out.tfevents.*")):
        return {}
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance=_ALL, purge_orphaned_data=False).Reload()
    found = {}
    for tag in events.Tags()["scalars"]:
        by_epoch = {event.step: event.value for event in sorted(events.Scalars(tag), key=lambda it: it.wall_time)}
        epochs = sorted(by_epoch)
        found[tag] = Series(np.array(epochs, dtype=np.int64), np.array([by_epoch[it] for it in epochs], dtype=float))
    return found
