"""Where the preset YAML files are, and how YAML is read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from recbole_cl.errors import UsageError


class SettingsLoader(yaml.SafeLoader):
    """YAML as RecBole reads it (1e-3 is a number, not text), in a class of its own: yaml's loaders stay as they are."""


SettingsLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(
        r"""[-+]?(?:[0-9][0-9_]*)\.[0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
        |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
        |[-+]?\.(?:inf|Inf|INF)
        |\.(?:nan|NaN|NAN)""".join((r"^(?:", r")$")),
        re.X,
    ),
    list("-+0123456789."),
)


BadYAML = (yaml.YAMLError, ValueError)  # the latter for what looks like a date and is none


def props_dir() -> Path:
    """Finds the folder of preset YAML files.

    Returns:
        ``props`` inside the installed package, or beside the package in a source tree.

    Raises:
        UsageError: If neither exists.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "props", package.parent / "props"):
        if (folder / "overall.yaml").is_file():
            return folder
    raise UsageError(f"{package} has no presets: install the package again")


def read_settings(path: str | Path) -> dict[str, Any]:
    """Reads a YAML file of settings.

    Args:
        path: The file; one of the package's own where there is no ``props/...`` of that name.

    Returns:
        Its mapping; empty for a file with comments only.

    Raises:
        UsageError: If it cannot be read, is no YAML, or is no mapping.
    """
    file = Path(path)
    if file.parts[:1] == ("props",) and not file.exists():
        file = props_dir().joinpath(*file.parts[1:])
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return parse_settings(text, path)


def parse_settings(text: str | bytes, path: str | Path) -> dict[str, Any]:
    """Reads the content of a YAML file of settings.

    Args:
        text: The content.
        path: Where it is from, for messages.

    Returns:
        Its mapping; empty if it holds comments only.

    Raises:
        UsageError: If it is no YAML, or no mapping.
    """
    try:
        content = parse_yaml(text)
    except BadYAML as error:
        raise UsageError(f"{path}: no valid YAML, {' '.join(str(error).split())}") from error
    if not isinstance(content, dict | None):
        raise UsageError(f"{path}: expected a mapping (`key: value` lines), found a {type(content).__name__}")
    return content or {}


def parse_yaml(text: str | bytes) -> Any:
    """Reads a YAML document the way settings files are read.

    Args:
        text: The document; the value of a command line flag is one, too.

    Returns:
        The value.

    Raises:
        BadYAML: Any of these, if it is none.
    """
    return yaml.load(text, Loader=SettingsLoader)
