"""The files of a converted dataset: a sorted atomic file, and the settings that it needs next to it.

RecBole keeps a ``float`` column as float64 while it filters, then converts it to float32 and sorts by that. Around
1.4e9 seconds, neighbouring float32 values are 128 seconds apart. RecBole's sorts are stable, so that events with equal
float32 times keep the order of the file. The files written here are sorted by user and, within a user, by exact time;
events at the same time keep the order of the source. RecBole therefore sees every user's true order, whatever the unit
of time.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.data.files.columns import ITEM, RATING, TIME, USER
from recbole_cl.errors import UsageError
from recbole_cl.writing import atomic_write_text, atomic_writer

HEADER = {USER: f"{USER}:token", ITEM: f"{ITEM}:token", RATING: f"{RATING}:float", TIME: f"{TIME}:float"}
# Key: default for a dataset without packaged settings, and the comment to write above it.
SETTINGS: dict[str, tuple[object, str]] = {
    "USER_ID_FIELD": (USER, "Column of the users."),
    "ITEM_ID_FIELD": (ITEM, "Column of the items."),
    "TIME_FIELD": (TIME, "Column of the times, oldest first; a position where the source had no times."),
    "load_col": ({"inter": [USER, ITEM, TIME]}, "Columns to load; these methods use no rating."),
    "val_interval": (None, "Column: interval of values to keep; null keeps all."),
    "user_inter_num_interval": (
        "[5,inf)",
        "Interactions that a user needs to stay; alternates with the next filter.",
    ),
    "item_inter_num_interval": ("[5,inf)", "Interactions that an item needs to stay."),
    "MAX_ITEM_LIST_LENGTH": (50, "Most recent items that a model sees, in items."),
}
DEFAULT_OUTPUT = Path("dataset")  # RecBole's data_path


@dataclass(frozen=True)
class Statistics:
    """Size and shape of a set of interactions, before any filter.

    Attributes:
        users: Number of users.
        items: Number of items.
        interactions: Number of interactions.
        repeats: Interactions of a user with an item that the user has interacted with before; they are kept.
        lengths: Interactions per user: minimum, quartiles at 25, 50 and 75 %, maximum.
    """

    users: int
    items: int
    interactions: int
    repeats: int
    lengths: tuple[float, float, float, float, float]

    @classmethod
    def of(cls, frame: pd.DataFrame) -> Statistics:
        """Counts the interactions of a frame with the columns ``user_id`` and ``item_id``."""
        lengths = frame.groupby(USER, sort=False, observed=True).size().to_numpy()
        low, first, median, third, high = np.percentile(lengths, [0, 25, 50, 75, 100]).tolist()
        repeats = int(frame.duplicated([USER, ITEM]).sum())
        return cls(len(lengths), frame[ITEM].nunique(), len(frame), repeats, (low, first, median, third, high))

    @property
    def density(self) -> float:
        """Interactions divided by users times items."""
        return self.interactions / (self.users * self.items)

    def table(self) -> str:
        """Writes the statistics as an aligned table of two columns."""
        names = ("shortest sequence", "25 %", "median", "75 %", "longest sequence")
        counts = {name: getattr(self, name) for name in ("users", "items", "interactions", "repeats")}
        rows = {name: f"{count:,}" for name, count in counts.items()} | {"density": f"{self.density:.4%}"}
        rows |= {name: f"{length:,g}" for name, length in zip(names, self.lengths, strict=True)}
        return "\n".join(f"{name:<18}{value:>14}" for name, value in rows.items())


@dataclass(frozen=True)
class Output:
    """The files of a dataset, ``<data_path>/<name>/<name>.inter`` and ``.yaml``.

    Attributes:
        name: The dataset's name, as later given to ``--dataset``.
        data_path: Folder of all datasets, RecBole's ``data_path``.
        again: The command or call that writes the files again, for the settings file.

    Raises:
        UsageError: If RecBole could not find data with this name.
    """

    name: str
    data_path: Path
    again: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not re.fullmatch(r"\w[\w.-]*", self.name):
            raise UsageError(f"name {self.name!r} must be a plain folder name: letters, digits, '-', '_' and '.' only")
        if self.name == "ml-100k":
            raise UsageError("name 'ml-100k' is taken: RecBole always reads its own copy; choose another name")

    @property
    def inter(self) -> Path:
        """The atomic file."""
        return self.data_path / self.name / f"{self.name}.inter"

    @property
    def settings(self) -> Path:
        """The settings file next to it, for settings that the packaged ones do not cover."""
        return self.inter.with_name(f"{self.name}.yaml")

    def refuse_existing(self, remedy: str) -> None:
        """Refuses to continue if one of the files exists.

        Args:
            remedy: Advice for the message.

        Raises:
            UsageError: If a file exists; the message names it.
        """
        for path in (self.inter, self.settings):
            if path.exists():
                raise UsageError(f"{path} exists: {remedy}")

    def write(self, content: bytes, has_times: bool) -> None:
        """Writes or replaces both files. The settings come first: data without their settings would be misread.

        Args:
            content: The atomic file, from ``atomic_text``.
            has_times: Whether timestamps are times, not positions.
        """
        settings = dataset_settings(packaged_settings(self.name), has_times)
        is_new = not self.settings.exists()
        self.inter.parent.mkdir(parents=True, exist_ok=True)
        if settings:
            atomic_write_text(self.settings, _settings_text(self.name, settings, self.again))
        else:
            self.settings.unlink(missing_ok=True)
        try:
            with atomic_writer(self.inter) as file:
                file.write(content)
        except BaseException:
            if is_new:  # alone it would block the next attempt
                self.settings.unlink(missing_ok=True)
            raise


def atomic_text(interactions: pd.DataFrame) -> bytes:
    """Writes interactions, sorted, as an atomic file; equal interactions give equal bytes."""
    table = chronological(interactions).rename(columns=HEADER)
    return table.to_csv(sep="\t", index=False, lineterminator="\n").encode()


def chronological(frame: pd.DataFrame) -> pd.DataFrame:
    """Sorts interactions by user, in order of first appearance, and by time; ties keep their order.

    Args:
        frame: Interactions with the columns ``user_id`` and ``timestamp``.

    Returns:
        The sorted interactions; float columns with only integer values become integers, to be written without ``.0``.
    """
    users, _ = pd.factorize(frame[USER])
    frame = frame.iloc[np.lexsort((frame[TIME].to_numpy(), users))].reset_index(drop=True)
    for column in frame.columns.intersection([RATING, TIME]):
        values = frame[column].to_numpy()
        if values.dtype.kind == "f" and (values == np.floor(values)).all() and (np.abs(values) < 2**53).all():
            frame[column] = values.astype(np.int64)
    return frame


def packaged_settings(name: str) -> dict[str, Any] | None:
    """Reads the settings that this package contains for a dataset; None if there are none."""
    path = props_dir() / "dataset" / f"{name}.yaml"
    return read_settings(path) if path.is_file() else None


def dataset_settings(packaged: dict[str, Any] | None, has_times: bool) -> dict[str, Any]:
    """The settings that a converted file needs in addition to the packaged ones.

    Args:
        packaged: The packaged settings of the dataset, made for RecBole's own download; None if there are none.
        has_times: Whether timestamps are times; positions in a sequence cannot be filtered by date.

    Returns:
        All settings if none are packaged, else only those that differ. A packaged interval of times is kept for real
            times, under the name of the converted column, and removed for positions.
    """
    settings = {key: default for key, (default, _) in SETTINGS.items()}
    if packaged is None:
        del settings["val_interval"]
        return settings
    interval = (packaged.get("val_interval") or {}).get(packaged.get("TIME_FIELD", TIME))
    settings["val_interval"] = {TIME: interval} if interval and has_times else None
    about_columns = ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "load_col", "val_interval")
    return {key: settings[key] for key in about_columns if settings[key] != packaged.get(key)}


def _settings_text(name: str, settings: dict[str, Any], again: str) -> str:
    """Writes settings as commented YAML."""
    top = (
        f"# Settings of {name}.inter beside this file. They override packaged settings of a dataset of that name;\n"
        f"# experiment files and the command line override them. `{again}` writes them again.\n"
    )
    # A JSON value is also a YAML value, and stays on one line.
    return "\n".join([top, *(f"# {SETTINGS[key][1]}\n{key}: {json.dumps(value)}\n" for key, value in settings.items())])
