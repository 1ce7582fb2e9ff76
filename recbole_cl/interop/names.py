"""A model's name that carries its class: RecBole looks classes up by name alone."""

from __future__ import annotations

from typing import Any


class ModelName(str):
    """What ``config["model"]`` holds, so that ``get_model(config["model"])`` gives the class that was asked for.

    Stored or sent elsewhere it is plain text.

    Attributes:
        model_class: The class.
    """

    model_class: type

    def __new__(cls, model_class: type) -> ModelName:
        name = super().__new__(cls, model_class.__name__)
        name.model_class = model_class
        return name

    def __reduce__(self) -> tuple[Any, ...]:
        return str, (str(self),)

    def __deepcopy__(self, memo: object) -> ModelName:
        return self
