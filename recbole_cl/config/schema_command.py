"""The command `schema`: prints what an editor needs to complete and check YAML files of settings."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recbole_cl.config.common import WITHOUT_EFFECT, CommonSettings
from recbole_cl.config.models import model_class, own_models
from recbole_cl.config.per_model import PER_MODEL
from recbole_cl.config.presets import comments_of, model_presets, props_dir
from recbole_cl.config.recboles import recboles_settings
from recbole_cl.config.schema import json_schema
from recbole_cl.config.settings import settings_class
from recbole_cl.registry import name_paths
from recbole_cl.writing import atomic_write_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `schema`."""
    parser.add_argument("--model", metavar="MODEL", help="only what a file for this model may hold (default: all ours)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write it there (default: print it)")


def main(args: argparse.Namespace) -> int:
    """Run `schema`."""
    name_paths(args.model)
    text = json.dumps(schema_of([args.model] if args.model else own_models()), indent=2)
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_text(args.output, f"{text}\n")
    else:
        print(text)
    return 0


def schema_of(models: Iterable[str]) -> dict[str, Any]:
    """The JSON schema of YAML files for any of the given models; descriptions come from the preset files' comments.

    Args:
        models: Names or dotted paths.

    Returns:
        The schema, of plain types.
    """
    classes = [model_class(model) for model in models]
    own = [each for cls in classes for each in (recboles_settings(cls), settings_class(cls))]
    schema = json_schema([CommonSettings, *own])
    idle = {key: {"const": unread.idle} for key, unread in WITHOUT_EFFECT.items()}
    schema["properties"] = idle | schema["properties"]
    for path in [props_dir() / "overall.yaml", *(path for cls in classes for path in model_presets(cls))]:
        for key, text in comments_of(path).items():
            schema["properties"][key]["description"] = text
    of_models = {"description": "settings by model, above the file's others", "type": "object"}
    schema["properties"][PER_MODEL] = of_models | {"additionalProperties": {"$ref": "#"}}
    return schema
