"""Files of ranges: those that come with the models, a user's own YAML, and RecBole's format."""

from __future__ import annotations

from pathlib import Path

from recbole_cl.config.presets import props_dir, read_settings
from recbole_cl.errors import UsageError
from recbole_cl.search.ranges import Choice, Range, keys_of, range_of
from recbole_cl.search.recbole_file import read_recbole_ranges


def default_ranges(model_class: type) -> Path:
    """The file of ranges that comes with one of our models, or with the nearest of its bases: ``props/search``.

    Raises:
        UsageError: If there is none.
    """
    ours = [cls.__name__ for cls in model_class.__mro__ if cls.__module__.startswith("recbole_cl.")]
    files = [props_dir() / "search" / f"{name}.yaml" for name in ours]
    if (found := next((file for file in files if file.is_file()), None)) is None:
        raise UsageError(
            f"{model_class.__name__} comes with no ranges: give a file of your own by --ranges, such as "
            "props/search/DuoRec.yaml"
        )
    return found


def read_ranges(file: str | Path) -> dict[str, Range]:
    """Reads a YAML file of ranges, or, if it has any other ending, a file in RecBole's format.

    A list is a choice; ``{low: 1e-4, high: 2e-3, log: True}`` and ``{low: 0.1, high: 0.5, step: 0.1}`` are intervals.
    ``extra_layers, dropped_layers: [[1, 0], [2, 1]]`` chooses the values of two settings together.

    Returns:
        Setting -> range.

    Raises:
        UsageError: If it cannot be read, or a range is not valid.
    """
    if Path(file).suffix.lower() not in (".yaml", ".yml"):
        ranges = read_recbole_ranges(Path(file))
    else:
        ranges = {name: range_of(f"{file}: {name}", value) for name, value in read_settings(file).items()}
    if not ranges:
        raise UsageError(f"{file} holds no range: write lines such as `temperature: [0.1, 0.5, 1.0]`")
    for name, its in ranges.items():
        count, values = len(keys_of(name)), its.values if isinstance(its, Choice) else (None,)
        if count > 1 and not all(isinstance(it, list) and len(it) == count for it in values):
            raise UsageError(f"{file}: {name}: expected a list of choices, each a list of {count} values")
    return ranges
