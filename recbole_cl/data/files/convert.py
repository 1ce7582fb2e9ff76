"""Turns csv, json-lines and sequence-text files into RecBole atomic files.

RecBole keeps a ``float`` column as float64 while it filters, then turns it into float32, where times around 1.4e9
seconds are 128 seconds apart, and sorts by those. Its sorts are stable, so that events with equal float32 times stay
in the order of the file. The files written here are sorted by user and, within a user, by exact time; events at the
same time keep the order of the source. RecBole thus sees every user's true order, whatever the unit of time.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.data.files.readers import ITEM, RATING, TIME, USER, Columns, read_csv, read_jsonl, read_sequences
from recbole_cl.errors import UsageError
from recbole_cl.writing import atomic_write_text, atomic_writer

DEFAULT_COLUMNS = Columns()
FORMATS = ("csv", "jsonl", "sequences")
HEADER = {USER: f"{USER}:token", ITEM: f"{ITEM}:token", RATING: f"{RATING}:float", TIME: f"{TIME}:float"}
# Key: default for a dataset without packaged settings, and the comment that goes above it.
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
        repeats: Interactions of a user with an item that the user had met before; they are kept.
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
        lengths = frame.groupby(USER, sort=False).size().to_numpy()
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


def convert(
    source: Path,
    name: str,
    *,
    source_format: str,
    output: Path = DEFAULT_OUTPUT,
    columns: Columns = DEFAULT_COLUMNS,
    separator: str = ",",
    overwrite: bool = False,
) -> Statistics:
    """Writes ``<output>/<name>/<name>.inter``, and a YAML beside it where the packaged settings do not fit it.

    Args:
        source: The file to read, optionally gzip-compressed (.gz).
        name: The dataset's name, as later given to ``--dataset``.
        source_format: One of ``csv``, ``jsonl``, ``sequences``.
        output: Folder of all datasets, RecBole's ``data_path``.
        columns: Names of the columns or keys in the source; sequence text has none.
        separator: Character between the values of a csv file.
        overwrite: Whether to replace what an earlier conversion wrote, the YAML included.

    Returns:
        The statistics of what was written.

    Raises:
        UsageError: If the name, the format or the source is not usable, or the output exists.
    """
    inter, settings_file = _outputs(Path(output), name, overwrite)
    frame = chronological(_read(Path(source), source_format, columns, separator))
    settings = dataset_settings(packaged_settings(name), has_times=source_format != "sequences")
    if settings:
        atomic_write_text(settings_file, _settings_text(name, settings))
    else:
        settings_file.unlink(missing_ok=True)
    with atomic_writer(inter) as file:
        frame.rename(columns=HEADER).to_csv(file, sep="\t", index=False, encoding="utf-8", lineterminator="\n")
    return Statistics.of(frame)


def _outputs(output: Path, name: str, overwrite: bool) -> tuple[Path, Path]:
    """Names the two output files, and refuses a bad name or one that is taken."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UsageError(f"name {name!r} must be a plain folder name: letters, digits, '-', '_' and '.' only")
    if name == "ml-100k":
        raise UsageError("name 'ml-100k' is taken: RecBole always reads its own copy; choose another name")
    inter, settings_file = (output / name / f"{name}{suffix}" for suffix in (".inter", ".yaml"))
    for path in (inter, settings_file):
        if path.exists() and not overwrite:
            raise UsageError(f"{path} exists: give --overwrite to replace it, or another --name")
    return inter, settings_file


def _read(source: Path, source_format: str, columns: Columns, separator: str) -> pd.DataFrame:
    """Reads the source by its format."""
    if source_format not in FORMATS:
        raise UsageError(f"format {source_format!r} is not known: choose {', '.join(FORMATS)}")
    if not source.is_file():
        raise UsageError(f"source {source} is not a file: check the path")
    try:
        if source_format == "csv":
            return read_csv(source, columns, separator)
        return read_jsonl(source, columns) if source_format == "jsonl" else read_sequences(source)
    except (UnicodeDecodeError, EOFError, OSError) as error:
        raise UsageError(f"{source} cannot be read as UTF-8 text: {error}") from None


def chronological(frame: pd.DataFrame) -> pd.DataFrame:
    """Sorts interactions by user, in order of first appearance, and by time; ties keep their order.

    Args:
        frame: Interactions with the columns ``user_id`` and ``timestamp``.

    Returns:
        The sorted interactions, with whole float columns as integers so that they are written without ``.0``.
    """
    users, _ = pd.factorize(frame[USER])
    frame = frame.iloc[np.lexsort((frame[TIME].to_numpy(), users))].reset_index(drop=True)
    for column in frame.columns.intersection([RATING, TIME]):
        values = frame[column].to_numpy()
        if (values == np.floor(values)).all() and (np.abs(values) < 2**53).all():
            frame[column] = values.astype(np.int64)
    return frame


def packaged_settings(name: str) -> dict[str, Any] | None:
    """Reads the settings that this package ships for a dataset; None where there are none."""
    path = props_dir() / "dataset" / f"{name}.yaml"
    return read_settings(path) if path.is_file() else None


def dataset_settings(packaged: dict[str, Any] | None, has_times: bool) -> dict[str, Any]:
    """Settings that a converted file needs beyond the packaged ones.

    Args:
        packaged: The packaged settings of the dataset, made for RecBole's own download; None if there are none.
        has_times: Whether timestamps are times; positions in a sequence cannot be filtered by date.

    Returns:
        All settings where none are packaged, else those that differ. A packaged interval of times is kept for real
        times, under the name of the converted column, and lifted for positions.
    """
    settings = {key: default for key, (default, _) in SETTINGS.items()}
    if packaged is None:
        del settings["val_interval"]
        return settings
    interval = (packaged.get("val_interval") or {}).get(packaged.get("TIME_FIELD", TIME))
    settings["val_interval"] = {TIME: interval} if interval and has_times else None
    about_columns = ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD", "load_col", "val_interval")
    return {key: settings[key] for key in about_columns if settings[key] != packaged.get(key)}


def _settings_text(name: str, settings: dict[str, Any]) -> str:
    """Writes settings as commented YAML."""
    top = (
        f"# Settings of {name}.inter beside this file. They override packaged settings of a dataset of that name;\n"
        "# experiment files and the command line override them. `recbole-cl convert --overwrite` writes them anew.\n"
    )
    # A JSON value is also a YAML value, and stays on one line.
    return "\n".join([top, *(f"# {SETTINGS[key][1]}\n{key}: {json.dumps(value)}\n" for key, value in settings.items())])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments of ``recbole-cl convert``.

    Args:
        parser: The sub-command's parser.
    """
    option = parser.add_argument
    option("source", metavar="SOURCE", type=Path, help="file to read; .gz is decompressed")
    option("--format", required=True, choices=FORMATS, help="sequences: `user item item ...` per line, oldest first")
    option("--name", required=True, help="name of the dataset, for --dataset")
    option("--output", type=Path, default=DEFAULT_OUTPUT, help="folder of all datasets (default: %(default)s)")
    option("--user-column", default=USER, help="column or json key of users (default: %(default)s; Amazon: reviewerID)")
    option("--item-column", default=ITEM, help="of items (default: %(default)s; Amazon: asin)")
    option("--time-column", default=TIME, help="of times, as numbers (default: %(default)s; Amazon: unixReviewTime)")
    option("--rating-column", help='of ratings (default: rating, if present; "" leaves it out; Amazon: overall)')
    option("--separator", default=",", help=r"character between csv values, \t for a tab (default: %(default)s)")
    option("--overwrite", action="store_true", help="replace the files of an earlier conversion")


def main(args: argparse.Namespace) -> int:
    """Runs ``recbole-cl convert`` and prints the statistics of the new dataset.

    Args:
        args: What a parser filled by ``add_arguments`` returned.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: As ``convert`` does.
    """
    columns = Columns(args.user_column, args.item_column, args.time_column, args.rating_column)
    separator = args.separator.replace("\\t", "\t")
    statistics = convert(
        args.source,
        args.name,
        source_format=args.format,
        output=args.output,
        columns=columns,
        separator=separator,
        overwrite=args.overwrite,
    )
    print(statistics.table())
    files = (args.output / args.name / f"{args.name}{suffix}" for suffix in (".inter", ".yaml"))
    print("wrote", *(path for path in files if path.exists()))
    place = "" if args.output == DEFAULT_OUTPUT else f" --data_path={args.output}"
    filters = "user_inter_num_interval and item_inter_num_interval"
    print(f"train on it with --dataset={args.name}{place}; filters ({filters}) are applied then")
    return 0
