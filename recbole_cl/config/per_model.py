"""The entry ``per_model`` of a YAML file: settings of single methods, in a file that several methods share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from recbole_cl.config.models import refuse_unknown_model
from recbole_cl.config.presets import merge_settings
from recbole_cl.errors import UsageError

PER_MODEL = "per_model"


def for_model(values: Mapping[str, Any], model: str, file: str) -> dict[str, Any]:
    """The settings that a file has for one model.

    Args:
        values: The content of the file. Its ``per_model``, if any, maps names of models to settings.
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
    for name in sections:
        if name != model:
            refuse_unknown_model(str(name))
    return merge_settings({key: value for key, value in values.items() if key != PER_MODEL}, sections.get(model, {}))
