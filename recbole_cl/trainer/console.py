"""What a training shows a person: one line for each epoch, and a bar with the time that is left."""

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

FOR_THE_FILE = "for_the_file"  # of log records that the terminal leaves out: the same for programs that read the file


@dataclass(frozen=True)
class Validations:
    """What early stopping has seen.

    Attributes:
        best: The best score; infinite if there is none.
        best_epoch: Its epoch, from 0.
        left: How many more without a better one end the training.
    """

    best: float
    best_epoch: int
    left: int


class Console:
    """Tells how a training goes, on the terminal and in the log.

    Args:
        epochs: How many there are at most.
        metric: Name of what early stopping looks at, such as MRR@10.
        digits: Of losses in the log file, behind the point.
    """

    def __init__(self, epochs: int, metric: str, digits: int) -> None:
        self._epochs, self._metric, self._digits = epochs, metric, digits
        self._losses: Mapping[str, float] = {}
        self._began = time.perf_counter()
        self._bar = progress_bar(0, "", False)

    @contextmanager
    def showing(self, steps: int, show: bool) -> Iterator[None]:
        """Shows a bar of so many steps, those of all epochs that may come, while the block runs."""
        with progress_bar(steps, "", show) as self._bar:
            yield

    def begins(self, epoch: int) -> None:
        """An epoch, from 0, begins."""
        self._began = time.perf_counter()
        self._bar.set_description(f"epoch {epoch + 1}/{self._epochs}")

    def steps(self, loss: float | None) -> None:
        """A step is done; the mean loss so far is shown where it is known."""
        self._bar.update()
        if loss is not None:
            self._bar.set_postfix_str(f"loss {loss:.4f}")

    def trained(self, epoch: int, losses: Mapping[str, float]) -> None:
        """An epoch's steps are done; the means of its losses have names, and ``total`` is their sum."""
        self._losses = losses
        named = ", ".join(f"{name}: {value:.{self._digits}f}" for name, value in losses.items())
        seconds = time.perf_counter() - self._began
        self._log(f"epoch {epoch} training [time: {seconds:.2f}s, {named}]", FOR_THE_FILE)

    def ends(self, epoch: int, score: float | None, metrics: Mapping[str, float], seen: Validations) -> None:
        """An epoch is over.

        Args:
            epoch: From 0; shown from 1.
            score: Of its validation; None without one, and infinite while nothing is trained that could be validated.
            metrics: All that the validation measured.
            seen: This validation and those before it.
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
    """A progress bar, where somebody can see it: in a terminal or a notebook, not in a pipe or a file.

    Args:
        total: Steps.
        label: Stands before it.
        show: Whether one is wanted.
        **options: tqdm's.
    """
    seen = (sys.stderr.isatty() or "ipykernel" in sys.modules) and world().rank == 0
    return tqdm(total=total, desc=label, leave=False, disable=not (show and seen), dynamic_ncols=True, **options)
