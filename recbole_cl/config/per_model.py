"""The entry ``per_model`` of a YAML file: settings of single methods, in a file that several methods share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_cl.config.models import model_name, refuse_unknown_model
from recbole_cl.config.presets import merge_settings
from recbole_cl.errors import UsageError

PER_MODEL = "per_model"


# Read before the model is known, or by what starts a run.
_ABOVE = {PER_MODEL, "model", "dataset", "resume", "data_path", "recbole_defaults"}


def for_model(values: Mapping[str, Any], model: str, file: str) -> dict[str, Any]:
    """The settings that a file has for one model.

    Args:
        values: The content of the file. Its ``per_model``, if any, maps models to settings: by name, in letters of any
            case, or by dotted path, of which the last part counts.
        model: The model's name.
        file: The file's name, for messages.

    Returns:
        The file's settings, those under the model's name above all others; without ``per_model``.

    Raises:
        UsageError: If ``per_model`` has another form, or names a model that does not exist.
    """
    sections = values.get(PER_MODEL, {})
    if not isinstance(sections, Mapping) or not all(isinstance(it, Mapping) for it in sections.values()):
        raise UsageError(
            f"{file}: {PER_MODEL}: expected settings by model, as {PER_MODEL}: {{DuoRec: {{temperature: 0.2}}}}"
        )
    found = {key: value for key, value in values.items() if key != PER_MODEL}
    for name, settings in sections.items():
        if above := _ABOVE & settings.keys():
            raise UsageError(f"{file}: {PER_MODEL}: {name}: {', '.join(sorted(above))} can't be set there, only above")
        if model_name(str(name)).lower() == model.lower():
            merge_settings(found, settings)
        else:
            refuse_unknown_model(str(name))
    return found
