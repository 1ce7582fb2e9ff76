"""Reports bad values of shared settings within a second: neither torch nor RecBole is imported."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from recbole_cl.config.common import CommonSettings
from recbole_cl.config.messages import refuse_bad, shown
from recbole_cl.config.presets import merge_settings, read_settings
from recbole_cl.config.values import is_folder_name, plain, without_none_texts
from recbole_cl.errors import UsageError


def refuse_bad_values(files: Iterable[str | Path], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Refuses a bad value.

    Values that pass are checked again, in full, by ``Config``.

    Args:
        files: YAML files; later ones override earlier ones.
        settings: Settings on the command line, which override the files.

    Returns:
        The settings of ``props/overall.yaml``, the files and the command line together.

    Raises:
        UsageError: For the first bad value.
    """
    merged = read_settings("props/overall.yaml")
    for given in (*map(read_settings, files), settings):
        merge_settings(merged, {key: plain(key, value) for key, value in given.items()})
    without_none_texts(merged, CommonSettings)
    refuse_bad(CommonSettings, merged)
    if not is_folder_name(name := merged.get("dataset", "-")):
        raise UsageError(f"dataset = {shown(name)}: expected the name of a folder under data_path, e.g. ml-100k")
    return merged
