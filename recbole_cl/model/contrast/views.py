"""Two augmented views of every row, made by operators that the settings name.

Letters: B rows, L columns, N items (padding row 0 included).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recbole_cl.augmentation import Operator, bind, draw_two_views
from recbole_cl.augmentation.registry import never_lengthens, takes
from recbole_cl.batch import Rows
from recbole_cl.errors import UsageError


class ViewDrawer:
    """Draws two views of every row, each with its own operator.

    Args:
        names: The operators, by name or dotted path.
        values: Arguments of the operators that differ from their defaults, by the operator's name.
        fill_id: Replaces masked items: the mask token, or padding, 0.
        generator: Source of the draws, on the rows' device.
        distinct: Whether the two views of a row have different operators.
        short_length: Rows with at most this number of items are short; -1: no row is short.
        short_names: The operators for short rows.

    Raises:
        UsageError: If an operator is unknown, a value for one of its arguments is missing, or views cannot be drawn
            from these sets.
    """

    def __init__(
        self,
        names: Sequence[str],
        values: Mapping[str, Mapping[str, Any]],
        fill_id: int,
        generator: torch.Generator,
        *,
        distinct: bool = False,
        short_length: int = -1,
        short_names: Sequence[str] = (),
    ) -> None:
        _refuse_sets(list(names), list(short_names), short_length, distinct)
        self.names = tuple(names)
        self._values, self._fill_id, self._generator = values, fill_id, generator
        self._draw = partial(
            draw_two_views, distinct=distinct, short_length=short_length, short_operators=tuple(short_names)
        )
        self._try_each()

    @property
    def needs_neighbours(self) -> bool:
        """Whether an operator uses correlated items."""
        return any(takes(name, "neighbour") for name in self.names)

    @property
    def makes_holes(self) -> bool:
        """Whether views may have padding among their items."""
        return self._fill_id == 0 and any(takes(name, "fill_id") for name in self.names)

    def draw(self, rows: Rows, neighbour: Tensor | None = None) -> tuple[Rows, Rows]:
        """Draws two views of every row.

        Args:
            rows: Right-padded rows. [B, L] and [B].
            neighbour: The most correlated item of each item, if ``needs_neighbours``. Shape [N].

        Returns:
            The views, as new tensors.
        """
        views: tuple[Rows, Rows] = self._draw(rows.item_seq, rows.seq_len, self.bound(neighbour), self._generator)
        if rows.host is None or not all(map(never_lengthens, self.names)):
            return views
        a, b = (view._replace(host=rows.host.at_most()) for view in views)
        return a, b

    def _try_each(self) -> None:
        """Runs every operator on one row of one item, so that bad values are reported before training."""
        one = torch.ones(1, 1, dtype=torch.int64)
        for name, operator in self.bound(torch.ones(2, dtype=torch.int64)).items():
            try:
                operator(one, one[0], torch.Generator())
            except ValueError as error:
                raise UsageError(f"operators: {name}: {error}") from error

    def bound(self, neighbour: Tensor | None = None) -> dict[str, Operator]:
        """The operators by name, with their arguments bound."""
        supplied = {"fill_id": self._fill_id, "neighbour": neighbour}
        return {name: bind(name, self._values.get(name, {}), supplied) for name in self.names}


def _refuse_sets(operators: list[str], short_operators: list[str], short_length: int, distinct: bool) -> None:
    """Refuses sets from which views cannot be drawn; messages use the names of settings."""
    sets = {"operators": operators} | ({"short_operators": short_operators} if short_length != -1 else {})
    unknown = sorted(set(sets.get("short_operators", ())) - set(operators))
    if unknown:
        raise UsageError(
            f"short_operators: {unknown} are not among operators {operators}; leave them out, or set short_length to -1"
        )
    for key, names in sets.items():
        if distinct and len(names) < 2:
            raise UsageError(
                f"distinct_operators = True: {key} = {names} has no two to draw; name more, or set it to False"
            )
