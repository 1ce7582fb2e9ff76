"""The command `models`: lists the models, and for one model the range, default and paper's value of each setting."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

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
    models = (f"{it:<14} {about(it)}".rstrip() for it in available_models())
    print("\n".join(_settings_of(args.settings) if args.settings else models))
    return 0


class Described(NamedTuple):
    """Describes one setting of a model.

    Attributes:
        key: Its name.
        default: Its default value, as text; None where it is RecBole's default.
        range: The accepted values, as the end of "expected ..."; None if nothing here reads it.
        symbol: Its symbol in the paper, or empty.
        about: The comment in the preset file, or empty.
        paper: The values that papers give, or empty.
    """

    key: str
    default: str | None
    range: str | None
    symbol: str
    about: str
    paper: str


def described(model: str) -> list[Described]:
    """A model's own settings, followed by those of every run.

    Args:
        model: Name or dotted path.
    """
    cls = model_class(model)
    own, defaults = settings_class(cls), defaults_of(cls)
    papers = papers_of(own)
    paths = [props_dir() / "overall.yaml", *model_presets(cls)]
    notes = {key: text for path in paths for key, text in comments_of(path).items()}
    fields = {**CommonSettings.model_fields, **recboles_settings(cls).model_fields, **own.model_fields}
    found = []
    for key in [*(key for key in defaults if key not in COMMON), *CommonSettings.model_fields]:
        if key in ("model", "dataset"):
            continue
        field = fields.get(key)
        found.append(
            Described(
                key,
                _shown(defaults[key]) if key in defaults else None,
                expected(field.annotation, field.metadata) if field else None,
                (field.description or "") if field else "",
                notes.get(key, ""),
                str(papers.get(key, "")),
            )
        )
    return found


def _settings_of(model: str) -> Iterator[str]:
    for it in described(model):
        yield f"{it.key}: {'default of RecBole' if it.default is None else it.default}"
        if it.range is not None:
            yield f"    range: {it.range}{f'; {it.symbol}' if it.symbol else ''}"
        if it.about:
            yield f"    about: {it.about}"
        if it.paper:
            yield f"    paper: {it.paper}"


def _shown(value: Any) -> str:
    return "~" if value is None else str(value)
