"""A run by several processes: its folder, what they cannot do, and how torchrun's next attempt goes on with it."""

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
from recbole_cl.distributed.processes import agree_on, of_first, started, world
from recbole_cl.errors import UsageError
from recbole_cl.runs.folder import is_resumable, new_folder
from recbole_cl.runs.settings import RunSettings
from recbole_cl.writing import atomic_write_text

_count = itertools.count()  # of the runs that this process has begun


class Attempts:
    """The attempts of torchrun at one run: each but the first goes on in the folder that the one before has left.

    Which that is stands in a file of ``checkpoint_dir``, named by torchrun's ``--rdzv-id`` and the number of the run,
    since ``--seeds`` makes several.

    Args:
        parent: ``checkpoint_dir``.
    """

    def __init__(self, parent: Path) -> None:
        name, number = os.environ.get("TORCHELASTIC_RUN_ID"), next(_count)
        if name == "none":  # torchrun's default is everybody's: its own process, which outlives the attempts, is not
            name = f"{os.uname().nodename}-{os.getppid()}"
        job = re.sub(r"[^\w.-]", "_", name or "")
        self._record = parent / f".torchrun-{job}-{number}" if job else None

    def folder(self) -> Path | None:
        """The folder of the attempt before, if there was one and it has left anything to go on from."""
        again = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"
        if not (again and self._record and self._record.is_file()):
            return None
        folder = Path(self._record.read_text(encoding="utf-8"))
        return folder if is_resumable(folder) else None

    def begin_in(self, folder: Path) -> None:
        """Records the folder."""
        if self._record:
            atomic_write_text(self._record, str(folder))


def folder_for_all(settings: RunSettings) -> Path:
    """A new run folder, which the first process makes."""
    return Path(of_first(lambda: str(new_folder(settings.folders, settings.model, settings.dataset, settings.seed))))


def refuse_data_to_write(dataset: Any) -> None:
    """Refuses, where there are several processes, data that each of them would write.

    Raises:
        UsageError: If the data are a table or files, not a dataset that has been written.
    """
    size = started().size
    if size > 1 and not isinstance(dataset, str | NamedData | None):
        raise UsageError(f"dataset: {size} processes can't write it; do so before, by from_dataframe or from_files")


def refuse_what_one_process_does(config: Config, settings: RunSettings) -> None:
    """Refuses what several processes can't do together, before any data is read.

    Raises:
        UsageError: If the batch has fewer rows than there are processes, the data are still to be downloaded, or the
            model's class shares no work.
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
        raise UsageError(f"dataset = {settings.dataset}: {data} is not there; have one process download it first")


def agree_on_run(config: Config, train: ContrastiveDataset) -> None:
    """Makes sure that all processes train by the same settings on the same data.

    Raises:
        UsageError: If another machine has others.
    """
    if world().size > 1:
        agree_on("settings", canonical(config.settings_dict()))
        agree_on("data", interaction_fingerprint(train))
