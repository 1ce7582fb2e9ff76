"""Finds the columns of a source that hold users, items, times and ratings."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from recbole_cl.data.files.origin import Origin
from recbole_cl.errors import UsageError

USER, ITEM, RATING, TIME = "user_id", "item_id", "rating", "timestamp"
# Usual column names, in lower case and without '_', '-' and spaces; the first one found is taken.
_USUAL = {
    USER: ("userid", "user", "uid", "reviewerid", "customerid", "customer", "visitorid", "sessionid", "email"),
    ITEM: ("itemid", "item", "iid", "asin", "parentasin", "productid", "product", "sku", "movieid", "businessid"),
    TIME: ("timestamp", "time", "unixreviewtime", "datetime", "date", "createdat", "orderedat", "eventtime"),
}


@dataclass(frozen=True)
class Columns:
    """Names of the columns, or JSON keys, in the source.

    Attributes:
        user: User ids; None takes ``user_id``, or the first of the usual names that exists, as for the others below.
        item: Item ids.
        time: Times: numbers that grow with time, or dates.
        rating: Ratings; None takes ``rating`` where it exists, an empty name means no ratings.
    """

    user: str | None = None
    item: str | None = None
    time: str | None = None
    rating: str | None = None

    def names(self, present: Sequence[str], origin: Origin) -> dict[str, str]:
        """Maps the columns of the source to our names.

        Args:
            present: Columns of the source.
            origin: The source, for the message.

        Returns:
            Our name by the source's name.

        Raises:
            UsageError: If a column is not in the source, occurs twice in it, or is requested twice.
        """
        rating = (RATING if RATING in present else "") if self.rating is None else self.rating
        asked = {USER: self.user, ITEM: self.item, TIME: self.time}
        found = {ours: _usual(ours, present) if name is None else name for ours, name in asked.items()}
        pairs = [(found[USER], USER), (found[ITEM], ITEM), *([(rating, RATING)] if rating else []), (found[TIME], TIME)]
        for source, ours in pairs:
            if source not in present:
                raise _unknown_column(source, ours, [str(column) for column in present], origin)
            if (count := list(present).count(source)) > 1:
                raise UsageError(f"{origin.name} has {count} columns named {source!r}: rename all but one")
        if len(dict(pairs)) < len(pairs):
            wanted = ", ".join(str(source) for source, _ in pairs)
            raise UsageError(f"{origin.name}: one column is named twice among {wanted}")
        return dict(pairs)

    def of_numbers(self, width: int) -> Columns:
        """The columns of a file without a header, by number; by default user, item, (rating,) time."""
        rating = ("3" if width > 3 else "") if self.rating is None else self.rating
        return Columns(self.user or "1", self.item or "2", self.time or str(min(width, 4)), rating)


def _usual(ours: str, present: Sequence[str]) -> str:
    """The column that is probably meant, or our own name for it if there is none."""
    if ours in present:
        return ours
    plain = {"".join(filter(str.isalnum, str(name))).lower(): name for name in reversed(present)}
    return next((plain[name] for name in _USUAL[ours] if name in plain), ours)


def _unknown_column(asked: str, ours: str, present: list[str], origin: Origin) -> UsageError:
    """The error for a column that does not exist."""
    near = difflib.get_close_matches(str(asked), present, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    option = origin.column_option.format(ours.partition("_")[0].replace("timestamp", "time"))
    names = ", ".join(present[:30]) + (f" and {len(present) - 30} more" if len(present) > 30 else "")
    return UsageError(f"{origin.name} has no column {asked!r}; it has {names}: {hint}name the right one with {option}")
