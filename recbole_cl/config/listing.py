"""The command `models`: which there are, and what the settings of one may be, are, and were in the paper."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from typing import Any

from recbole_cl.config.common import CommonSettings, RecBoleModelSettings
from recbole_cl.config.messages import expected
from recbole_cl.config.models import available_models, model_class, recboles_presets
from recbole_cl.config.presets import comments_of, model_defaults, model_presets, props_dir, read_settings
from recbole_cl.config.settings import settings_class
from recbole_cl.registry import name_paths

# What the paper has or searches, in a comment of a YAML file.
_PAPER = re.compile(r"[Pp]aper(?:'s)?: (.*?)(?:[.;] |$)|(\{[\d., A-Z-]+\})")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `models`."""
    parser.add_argument(
        "--settings", metavar="MODEL", help="print every setting of a model: its default, its range, the paper's value"
    )


def main(args: argparse.Namespace) -> int:
    """Run `models`."""
    if args.settings:
        name_paths(args.settings)
    print("\n".join(_settings_of(args.settings) if args.settings else available_models()))
    return 0


def _settings_of(model: str) -> Iterator[str]:
    """The lines about a model's own settings, then about those of every run."""
    cls = model_class(model)
    own, defaults = settings_class(cls), _defaults(cls)
    paths = [props_dir() / "overall.yaml", *model_presets(cls)]
    notes = {key: text for path in paths for key, text in comments_of(path).items()}
    fields = {**CommonSettings.model_fields, **RecBoleModelSettings.model_fields, **own.model_fields}
    first = [key for key in defaults if key not in CommonSettings.model_fields]
    for key in [*first, *CommonSettings.model_fields]:
        if key in ("model", "dataset"):
            continue
        yield f"{key}: {_shown(defaults[key]) if key in defaults else 'as RecBole has it'}"
        if key in fields:
            symbol = f"; {fields[key].description}" if fields[key].description else ""
            yield f"    range: {expected(fields[key].annotation, fields[key].metadata)}{symbol}"
        if key in notes:
            yield f"    about: {notes[key]}"
        if paper := _PAPER.search(notes.get(key, "")):
            yield f"    paper: {(paper[1] or paper[2]).strip()}"


def _defaults(cls: type) -> dict[str, Any]:
    """Values of our YAML files and, for a model of RecBole's, of its own there."""
    theirs = recboles_presets() / f"{cls.__name__}.yaml"
    is_theirs = cls.__module__.startswith("recbole.") and theirs.is_file()
    return (read_settings(theirs) if is_theirs else {}) | model_defaults(cls)


def _shown(value: Any) -> str:
    return "~" if value is None else str(value)
