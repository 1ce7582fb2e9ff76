"""Where the preset YAML files are, which of them a model uses, and how YAML is read."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from recbole_cl.errors import UsageError

_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as fast, where libyaml is installed


class SettingsLoader(_Safe):
    """Reads YAML as RecBole does (1e-3 is a number, not text), without changing yaml's own loader classes."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Reports the line of a value that looks like a date or a number but is neither."""
        try:
            return super().construct_object(node, deep=deep)
        except ValueError as error:
            raise _refused(node, str(error)) from error


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


_DEEPEST, _MOST_NODES, _LONGEST = 32, 100_000, 1_000_000  # limits of a document, with aliases expanded
_KNOWN_PACKAGES = ("recbole_cl", "recbole")  # their classes have no YAML file next to the source
BadYAML = (yaml.YAMLError, ValueError)  # the latter for characters that YAML does not allow


def props_dir() -> Path:
    """Finds the folder of preset YAML files.

    Returns:
        ``props`` inside the installed package, or next to the package in a source tree.

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
        path: The file; if ``props/...`` does not exist in the working folder, the package's own file of that name.

    Returns:
        Its mapping; empty if the file holds only comments.

    Raises:
        UsageError: If it cannot be read, is not YAML, or is not a mapping.
    """
    file = Path(path)
    if file.parts[:1] == ("props",) and not file.exists():
        file = props_dir().joinpath(*file.parts[1:])
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:  # the latter if the file or its path has bytes that are not text
        raise UsageError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error
    return parse_settings(text, path)


def line_of(key: str, path: str | Path) -> str:
    """Where a file sets a key, as ", line 3"; empty if unknown."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = re.compile(rf"""["']?{re.escape(key)}["']?\s*:""")
    return next((f", line {number}" for number, line in enumerate(lines, start=1) if found.match(line)), "")


def parse_settings(text: str | bytes, path: str | Path) -> dict[str, Any]:
    """Reads the content of a YAML file of settings.

    Args:
        text: The content.
        path: Its origin, for messages.

    Returns:
        Its mapping; empty if it holds only comments.

    Raises:
        UsageError: If it is not YAML, or not a mapping.
    """
    try:
        content = parse_yaml(text)
    except BadYAML as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UsageError(f"{path}{where}: not valid YAML, {what}") from error
    if not isinstance(content, dict | None):
        raise UsageError(f"{path}: expected a mapping (`key: value` lines), found a {type(content).__name__}")
    return content or {}


def parse_yaml(text: str | bytes) -> Any:
    """Reads a YAML document the way settings files are read.

    Args:
        text: The document, or the value of a command line flag.

    Returns:
        The value.

    Raises:
        BadYAML: One of these, if it is not YAML.
    """
    if len(text) > _LONGEST:
        raise yaml.YAMLError(f"{len(text)} characters, of {_LONGEST} at most")
    return deepcopy(_parsed(text))


@lru_cache(maxsize=128)  # a plan of many runs reads the same presets for each of them
def _parsed(text: str | bytes) -> Any:
    _refuse_tags_and_depth(text)
    loader = SettingsLoader(text)
    try:
        node = loader.get_single_node()
        _refuse_bomb(node)
        return None if node is None else loader.construct_document(node)
    finally:
        loader.dispose()


def _refuse_tags_and_depth(text: str | bytes) -> None:
    """Refuses tags (their constructors raise any error on unsuitable text) and deep nesting before building values."""
    depth = 0
    for event in yaml.parse(text, Loader=_Safe):
        tag = getattr(event, "tag", None)
        if tag not in (None, "!"):
            raise _refused(event, f"the tag {tag}: write the value without it")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise _refused(event, f"lists and mappings more than {_DEEPEST} deep")


def _refused(at: Any, problem: str) -> yaml.YAMLError:
    """An error at an event or node."""
    return yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark)


def _refuse_bomb(root: yaml.Node | None) -> None:
    """Refuses a document that contains itself, or is larger than any settings once its aliases are expanded."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node | None, depth: int) -> int:
        if depth > 4 * _DEEPEST:  # nested lists that are aliases of each other
            raise _refused(node, "an alias within what it stands for, or too many in a row")
        if id(node) not in sizes:
            inner = node.value if isinstance(node, yaml.CollectionNode) else []
            parts = [part for it in inner for part in (it if isinstance(it, tuple) else (it,))]
            sizes[id(node)] = 1 + sum(size(part, depth + 1) for part in parts)
        return sizes[id(node)]

    if size(root, 0) > _MOST_NODES:
        raise yaml.YAMLError(f"more than {_MOST_NODES} entries, aliases written out")


def model_presets(model_class: type) -> list[Path]:
    """The YAML files of a model and its bases, the bases' first.

    The files of this package's classes are ``props/model/<Class>.yaml``. A class of another package, whatever its name,
    has ``<Class>.yaml`` next to its own source file, which ``props/model/<Class>.yaml`` in the working folder
    overrides. RecBole's classes have none here, because RecBole reads theirs, except for one that all its general
    models share, ``props/model/GeneralRecommender.yaml``.

    Args:
        model_class: The model.

    Returns:
        The files that exist, from weak to strong.
    """
    candidates = [folder / f"{cls.__name__}.yaml" for cls in reversed(model_class.__mro__) for folder in _folders(cls)]
    return [path for path in dict.fromkeys(candidates) if path.is_file()]


def experiment_preset(model_class: type, dataset: str) -> Path:
    """Path of the settings of a model on a dataset: in this package, or in the working folder for an outside model."""
    props = props_dir() if _package(model_class) in _KNOWN_PACKAGES else Path("props").absolute()
    return props / "experiment" / f"{model_class.__name__}-{dataset}.yaml"


def model_defaults(model_class: type) -> dict[str, Any]:
    """The default settings of a model: ``props/overall.yaml`` and the YAML files of the model and its bases."""
    merged: dict[str, Any] = {}
    for path in (props_dir() / "overall.yaml", *model_presets(model_class)):
        merge_settings(merged, read_settings(path))
    return merged


def comments_of(path: Path) -> dict[str, str]:
    """The comments of a YAML file by setting: those after a key, and those in indented lines below it.

    Args:
        path: One of the preset files.

    Returns:
        Key -> text.
    """
    found: dict[str, list[str]] = {}
    key = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if named := re.match(r"(\w+):(?:.*?\s)?#\s*(.*)", line):
            key = named[1]
            found[key] = [named[2]]
        elif key and (further := re.match(r"\s+#\s*(.*)", line)):
            found[key].append(further[1])
        else:
            key = ""
    return {key: " ".join(texts) for key, texts in found.items()}


def merge_settings(values: dict[str, Any], stronger: Mapping[str, Any]) -> dict[str, Any]:
    """Writes stronger settings over weaker ones.

    Entries of ``eval_args`` that the stronger settings leave out are kept: a user who sets its ``mode`` means to keep
    the split, whereas RecBole would fall back to a random split, which sequential models refuse. If the stronger
    settings rename the columns of users, items or times without setting ``load_col``, the new names replace the old
    ones in ``load_col``.

    Args:
        values: The weaker settings; modified in place.
        stronger: The stronger ones; copied.

    Returns:
        ``values``.
    """
    _rename_loaded_columns(values, stronger)
    weaker_args, stronger_args = values.get("eval_args"), stronger.get("eval_args")
    values.update(deepcopy(dict(stronger)))
    if isinstance(weaker_args, dict) and isinstance(stronger_args, dict):
        values["eval_args"] = {**weaker_args, **deepcopy(stronger_args)}
    return values


def _rename_loaded_columns(values: dict[str, Any], stronger: Mapping[str, Any]) -> None:
    """Replaces renamed columns in the weaker settings' list of columns to load."""
    loaded = (values.get("load_col") or {}).get("inter")
    if "load_col" in stronger or not isinstance(loaded, list):
        return
    keys = ("USER_ID_FIELD", "ITEM_ID_FIELD", "TIME_FIELD")
    renamed = {values[key]: stronger[key] for key in keys if key in stronger and isinstance(values.get(key), str)}
    values["load_col"] = {**values["load_col"], "inter": [renamed.get(column, column) for column in loaded]}


def _package(cls: type) -> str:
    return cls.__module__.split(".")[0]


def _folders(cls: type) -> list[Path]:
    """The folders that may hold a class's YAML file, from weak to strong."""
    if _package(cls) in _KNOWN_PACKAGES:
        return [props_dir() / "model"] if _package(cls) == "recbole_cl" or cls.__name__ == "GeneralRecommender" else []
    file = getattr(sys.modules.get(cls.__module__), "__file__", None)  # None in a notebook
    beside = [Path(file).resolve().parent] if file else []
    return [*beside, Path("props", "model").resolve()]
