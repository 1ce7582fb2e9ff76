"""A model name that also carries its class, because RecBole finds classes only by name."""

from __future__ import annotations

from typing import Any


class ModelName(str):
    """The value of ``config["model"]``: it makes ``get_model(config["model"])`` return the class that was asked for.

    When it is pickled, it becomes plain text.

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
