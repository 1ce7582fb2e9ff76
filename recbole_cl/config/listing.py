"""The command `models`: which there are, and what the settings of one may be, are, and were in the paper."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

from recbole_cl.config.common import COMMON, CommonSettings
from recbole_cl.config.messages import expected
from recbole_cl.config.models import about, available_models, model_class
from recbole_cl.config.papers import papers_of
from recbole_cl.config.presets import comments_of, model_presets, props_dir
from recbole_cl.config.recboles import defaults_of, recboles_settings
from recbole_cl.config.settings import settings_class
from recbole_cl.registry import name_paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `models`."""
    parser.add_argument(
        "--settings", metavar="MODEL", help="print every setting of a model: its default, its range, the paper's value"
    )


def main(args: argparse.Namespace) -> int:
    """Run `models`."""
    if args.settings:
        name_paths(args.settings)
    lines = _settings_of(args.settings) if args.settings else [f"{it:<12}{about(it)}" for it in available_models()]
    print("\n".join(lines))
    return 0


def _settings_of(model: str) -> Iterator[str]:
    """The lines about a model's own settings, then about those of every run."""
    cls = model_class(model)
    own, defaults = settings_class(cls), defaults_of(cls)
    papers = papers_of(own)
    paths = [props_dir() / "overall.yaml", *model_presets(cls)]
    notes = {key: text for path in paths for key, text in comments_of(path).items()}
    fields = {**CommonSettings.model_fields, **recboles_settings(cls).model_fields, **own.model_fields}
    first = [key for key in defaults if key not in COMMON]
    for key in [*first, *CommonSettings.model_fields]:
        if key in ("model", "dataset"):
            continue
        yield f"{key}: {_shown(defaults[key]) if key in defaults else 'as RecBole has it'}"
        if key in fields:
            symbol = f"; {fields[key].description}" if fields[key].description else ""
            yield f"    range: {expected(fields[key].annotation, fields[key].metadata)}{symbol}"
        if key in notes:
            yield f"    about: {notes[key]}"
        if key in papers:
            yield f"    paper: {papers[key]}"


def _shown(value: Any) -> str:
    return "~" if value is None else str(value)
