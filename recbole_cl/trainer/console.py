"""The output of a training for a person: one line per epoch, and a progress bar with the remaining time."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from logging import getLogger
from typing import Any

from tqdm.auto import tqdm

from recbole_cl.distributed.processes import world

FOR_THE_FILE = "for_the_file"  # marks log records only for the file: their format is fixed for programs that read it


@dataclass(frozen=True)
class Validations:
    """The state of early stopping.

    Attributes:
        best: The best score; infinite if there is none.
        best_epoch: Its epoch, from 0.
        left: Number of further validations without improvement after which training ends.
    """

    best: float
    best_epoch: int
    left: int


class Console:
    """Reports the progress of a training, on the terminal and in the log.

    Args:
        epochs: Maximum number of epochs.
        metric: Name of the metric for early stopping, such as MRR@10.
        digits: Decimal places of losses in the log file.
    """

    def __init__(self, epochs: int, metric: str, digits: int) -> None:
        self._epochs, self._metric, self._digits = epochs, metric, digits
        self._losses: Mapping[str, float] = {}
        self._began = time.perf_counter()
        self._bar = progress_bar(0, "", False)

    @contextmanager
    def showing(self, steps: int, show: bool) -> Iterator[None]:
        """Shows a progress bar while the block runs; ``steps`` is the total of the maximum number of epochs."""
        with progress_bar(steps, "", show) as self._bar:
            yield

    def begins(self, epoch: int) -> None:
        """Called when an epoch, counted from 0, begins."""
        self._began = time.perf_counter()
        self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}")

    def steps(self, loss: float | None) -> None:
        """Called after each step; shows the mean loss so far where it is known."""
        self._bar.update()
        if loss is not None:
            self._bar.set_postfix_str(f"loss {loss:.4f}")

    def trained(self, epoch: int, losses: Mapping[str, float]) -> None:
        """Called after an epoch's steps; ``losses`` are the mean loss terms by name, and ``total`` is their sum."""
        self._losses = losses
        named = ", ".join(f"{name}: {value:.{self._digits}f}" for name, value in losses.items())
        seconds = time.perf_counter() - self._began
        self._log(f"epoch {epoch} training [time: {seconds:.2f}s, {named}]", FOR_THE_FILE)

    def ends(self, epoch: int, score: float | None, metrics: Mapping[str, float], seen: Validations) -> None:
        """Called at the end of an epoch.

        Args:
            epoch: From 0; shown from 1.
            score: Score of its validation; None without one, and infinite while training cannot be validated yet.
            metrics: All metrics of the validation.
            seen: The state of early stopping, this validation included.
        """
        if score is not None and metrics:
            named = "    ".join(f"{name} : {value}" for name, value in metrics.items())
            self._log(f"epoch {epoch} evaluating [valid_score: {score:f}]\nvalid result: \n{named}", FOR_THE_FILE)
        terms = {name: value for name, value in self._losses.items() if name != "total" or len(self._losses) > 2}
        loss = ", ".join(f"{name} {value:.4f}" for name, value in terms.items())
        best = f"best {seen.best:.4f} (epoch {seen.best_epoch + 1})" if math.isfinite(seen.best) else "no best yet"
        if score is None or not math.isfinite(score):
            told = f"not validated, {best}"
        elif seen.best_epoch == epoch:
            told = f"validation {self._metric} {score:.4f}, the best so far"
        else:
            stops = f"stops after {seen.left} more without a better one" if seen.left > 0 else "stops here"
            told = f"validation {self._metric} {score:.4f}, {best}; {stops}"
        seconds = time.perf_counter() - self._began
        self._log(f"epoch {epoch + 1} of at most {self._epochs}: {seconds:.1f} s; loss: {loss}; {told}")

    def _log(self, line: str, *marks: str) -> None:
        getLogger().info(line, extra=dict.fromkeys(marks, True))


def progress_bar(total: int, label: str, show: bool, **options: Any) -> Any:
    """A progress bar, if it can be displayed: in a terminal or a notebook, not in a pipe or a file.

    Args:
        total: Number of steps.
        label: Text before the bar.
        show: Whether a bar is wanted.
        **options: Options of tqdm.
    """
    seen = (sys.stderr.isatty() or "ipykernel" in sys.modules) and world().rank == 0
    return tqdm(total=total, desc=label, leave=False, disable=not (show and seen), dynamic_ncols=True, **options)
