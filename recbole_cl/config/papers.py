"""Values of settings in the papers; a method's settings class declares them as ``papers`` or ``own_papers``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Among:
    """The values that a paper searches.

    Args:
        *values: The values.
        best: The value that it finds best for every dataset, if it says so.
    """

    values: tuple[Any, ...]
    best: Any

    def __init__(self, *values: Any, best: Any = None) -> None:
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "best", best)

    def __str__(self) -> str:
        searched = f"searched in {{{', '.join(map(str, self.values))}}}"
        return searched if self.best is None else f"{self.best} is best, {searched}"


@dataclass(frozen=True)
class ByDataset:
    """The values that a paper uses for its datasets.

    Args:
        **values: Dataset name (with _ for characters that Python names do not allow) and value.
    """

    values: tuple[tuple[str, Any], ...]

    def __init__(self, **values: Any) -> None:
        object.__setattr__(self, "values", tuple(values.items()))

    def __str__(self) -> str:
        return ", ".join(f"{value} for {name.replace('_', '-')}" for name, value in self.values)


@dataclass(frozen=True)
class Said:
    """The value that a paper gives for one setting.

    Attributes:
        what: A value, or several, as ``Among`` or ``ByDataset``.
        where: The paper, and the section, equation or table.
    """

    what: Any
    where: str

    def values(self) -> list[Any]:
        """All values that it mentions."""
        if isinstance(self.what, Among):
            return [*self.what.values]
        return [value for _, value in self.what.values] if isinstance(self.what, ByDataset) else [self.what]

    def __str__(self) -> str:
        return f"{self.what} ({self.where})"


Papers = Mapping[str, Said]


def said(where: str, **what: Any) -> dict[str, Said]:
    """The values that one place of a paper gives.

    Args:
        where: The paper, and the section, equation or table.
        **what: Setting and value; or ``Among``, or ``ByDataset``.
    """
    return {key: Said(value, where) for key, value in what.items()}


def papers_of(settings: type) -> Papers:
    """The papers' values for the settings of a class; its own declarations override those of its bases.

    Args:
        settings: A method's settings class.
    """
    merged: dict[str, Said] = {}
    for cls in reversed(settings.__mro__):
        merged |= vars(cls).get("papers", {})
    return merged | vars(settings).get("own_papers", {})
