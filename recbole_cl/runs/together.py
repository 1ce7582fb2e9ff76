"""A run by several processes: its folder, what they cannot do, and how torchrun's next attempt resumes it."""

from __future__ import annotations

import itertools
import os
import re
from pathlib import Path
from typing import Any

from recbole_cl.config.config import Config
from recbole_cl.config.settings import canonical
from recbole_cl.data.dataset import ContrastiveDataset
from recbole_cl.data.files.dataframe import NamedData
from recbole_cl.data.fingerprint import interaction_fingerprint
from recbole_cl.distributed.processes import agree_on, is_first, of_first, started, world
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import is_resumable, new_folder
from recbole_cl.runs.settings import RunSettings
from recbole_cl.writing import atomic_write_text

_count = itertools.count()  # number of runs that this process has begun


class Attempts:
    """torchrun's attempts at one run: each attempt after the first resumes in the folder that the previous one left.

    A file in ``checkpoint_dir`` records that folder. Its name contains torchrun's ``--rdzv-id`` and the number of the
    run, because ``--seeds`` makes several runs.

    Args:
        parent: ``checkpoint_dir``.
    """

    def __init__(self, parent: Path) -> None:
        name, number = os.environ.get("TORCHELASTIC_RUN_ID"), next(_count)
        if name == "none":  # torchrun's default, the same for all: use its process id, which all attempts share
            name = f"{os.uname().nodename}-{os.getppid()}"
        job = re.sub(r"[^\w.-]", "_", name or "")
        self._record = parent / f".torchrun-{job}-{number}" if job else None
        self._again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
        if self._record and not self._again and is_first():
            self._record.unlink(missing_ok=True)  # of an earlier job with the same id

    def folder(self) -> Path | None:
        """The folder of the previous attempt, if there was one and it can be resumed."""
        if not (self._again and self._record and self._record.is_file()):
            return None
        folder = Path(self._record.read_text(encoding="utf-8"))
        return folder if is_resumable(folder) else None

    def begin_in(self, folder: Path) -> None:
        """Records the folder."""
        if self._record:
            atomic_write_text(self._record, str(folder))


def folder_for_all(settings: RunSettings) -> Path:
    """A new run folder, made by the first process."""
    return Path(of_first(lambda: str(new_folder(settings.folders, settings.model, settings.dataset, settings.seed))))


def refuse_data_to_write(dataset: Any) -> None:
    """Refuses data that every one of several processes would write.

    Raises:
        UsageError: If the data are a table or files, not a dataset that has already been written.
    """
    size = started().size
    if size > 1 and not isinstance(dataset, str | NamedData | None):
        raise UsageError(f"dataset: {size} processes can't write it; do so before, by from_dataframe or from_files")


def refuse_what_one_process_does(config: Config, settings: RunSettings) -> None:
    """Refuses what several processes cannot do together, before any data are read.

    Raises:
        UsageError: If the batch has fewer rows than there are processes, the data have not been downloaded yet, or the
            model's class does not support sharing its work.
    """
    size = world().size
    if size == 1:
        return
    model, batch, data = settings.model, settings.loader.batch_size, settings.data_folder
    if not hasattr(config.model_class, "encode_by"):
        raise UsageError(f"model = {model}: {size} processes can't share its work; start one process, without torchrun")
    if batch < size:
        raise UsageError(f"train_batch_size = {batch}: {size} processes need a row each; raise it or start fewer")
    if not data.exists():
        raise UsageError(f"dataset = {settings.dataset}: {data} is missing; have one process download it first")


def agree_on_run(config: Config, train: ContrastiveDataset) -> None:
    """Makes sure that all processes train with the same settings on the same data.

    Raises:
        UsageError: If another machine has different ones.
    """
    if world().size > 1:
        agree_on("settings", canonical(config.settings_dict()))
        agree_on("data", interaction_fingerprint(train))
