"""The effect of each of RecBole's keys here; generates ``docs/recbole_keys.md`` from the settings."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import recbole

from recbole_cl.config.common import OF_RECBOLES, WITHOUT_EFFECT, CommonSettings
from recbole_cl.config.foreign import HARMLESS
from recbole_cl.config.messages import expected, shown
from recbole_cl.config.presets import props_dir, read_settings

_FILES = ("overall.yaml", "quick_start_config/sequential.yaml", "dataset/sample.yaml")
_INTRODUCTION = """\
# RecBole's keys

How this package treats every key that RecBole 1.2.1 has for all models (`properties/overall.yaml` and
`properties/dataset/sample.yaml`), on the command line, in `config_files` and in `run(...)`. This page is generated:
`python -m recbole_cl.interop.keys > docs/recbole_keys.md`.

* *as RecBole*: read here; the range gives the allowed values. A default in bold differs from RecBole's;
  `--recbole_defaults=True` takes RecBole's.
* *no effect*: accepted, and named in one line of the log, because it affects no result here.
* *refused*: any value except the given one would change what is trained or measured, and is not supported.

RecBole's keys of single models are read by its own models and by those of ours that have them (`recbole-cl models
--settings NAME`). Other keys in a file are ignored, with a line that names them; those that resemble
a known one, or belong to another of our methods, are refused.
RecBole's context-aware, knowledge-aware and decision-tree models are out of scope.
"""


def page() -> str:
    """The page, in Markdown."""
    lines = [_INTRODUCTION, "| key | here | RecBole's default | default here |", "|---|---|---|---|"]
    defaults = read_settings(props_dir() / "overall.yaml")
    for key, value in _recboles_defaults().items():
        ours = _code(defaults[key]) if key in defaults else "the same"
        ours = "the same" if key in defaults and defaults[key] == value else ours
        bold = f"**{ours}**" if ours != "the same" else ours
        lines.append(f"| `{key}` | {_what(key, value)} | {_code(value)} | {bold if _is_read(key) else ''} |")
    return "\n".join([*lines, ""])


def _recboles_defaults() -> dict[str, Any]:
    """RecBole's keys in the order of its files, with the defaults of sequential models."""
    folder = Path(recbole.__file__).parent / "properties"
    merged: dict[str, Any] = {}
    for name in _FILES:
        merged.update(read_settings(folder / name))
    return merged


def _is_read(key: str) -> bool:
    return key in CommonSettings.model_fields


def _what(key: str, value: Any) -> str:
    if key in CommonSettings.model_fields:
        field = CommonSettings.model_fields[key]
        taken = f"as RecBole: {_cell(expected(field.annotation, field.metadata))}"
        if key in OF_RECBOLES:
            idle = _code(OF_RECBOLES[key].idle)
            ours = "no effect with ours" if key in HARMLESS else f"refused with ours, except {idle}"
            return f"{taken}, for RecBole's own models; {ours}: {OF_RECBOLES[key].why}"
        return taken
    if key in HARMLESS:
        return f"no effect: {HARMLESS[key]}"
    idle, why = WITHOUT_EFFECT[key]  # fails, here and in a test, for a RecBole key that is in no table
    return f"refused, except {_code(idle)}: {why}"


def _code(value: Any) -> str:
    return f"`{_cell(shown(value))}`" if value is not None else "`~`"


def _cell(text: str) -> str:
    return re.sub(r"\|", r"\\|", text)


if __name__ == "__main__":
    print(page(), end="")
