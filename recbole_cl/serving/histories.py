"""Histories of the users to recommend to: users of a dataset, or any rows of items.

Letters: R rows (one per user), I items of all rows together.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from recbole_cl.data.vocabulary import Vocabulary
from recbole_cl.errors import UsageError
from recbole_cl.ragged import offsets


@dataclass(frozen=True)
class Histories:
    """Items of users, oldest first.

    Attributes:
        names: The name of each row in the output: a user's token, or a number from 1.
        user: The user's id if the model knows the user, else 0. Shape [R].
        items: Item ids of all rows. Shape [I].
        first: First item of each row in ``items``. Shape [R].
        end: One after its last item. Shape [R].
        skipped: Number of items left out because the model does not know them.
    """

    names: Sequence[str]
    user: Tensor
    items: Tensor
    first: Tensor
    end: Tensor
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.names)


def histories_of(
    rows: Iterable[tuple[str | None, Sequence[object]]],
    items: Vocabulary,
    known_users: Mapping[str, tuple[int, Sequence[int]]] | None = None,
) -> Histories:
    """Makes histories from tokens of items; unknown items are left out and counted.

    Args:
        rows: A user's token, or None, and the items' tokens, oldest first.
        items: The items that the model knows.
        known_users: Id and item ids of the dataset's users, by token; the rows given for them are appended to these
            items.

    Returns:
        One history per row.

    Raises:
        UsageError: If there are no rows, or a row has no item that the model knows.
    """
    names: list[str] = []
    users: list[int] = []
    flat: list[int] = []
    lengths: list[int] = []
    skipped = 0
    for number, (user, tokens) in enumerate(rows, 1):
        if isinstance(tokens, str | bytes) or not isinstance(tokens, Iterable):
            raise UsageError(f"history {number} is {tokens!r}: expected a list of items, such as [{tokens!r}]")
        tokens = list(tokens)
        user_id, before = (known_users or {}).get(user or "", (0, ()))
        own = items.known(tokens)
        skipped += len(tokens) - len(own)
        if not own and not before:
            whose, such_as = (f" (user {user})" if user else ""), (f", such as {tokens[0]!r}" if tokens else "")
            raise UsageError(f"history {number}{whose} has no item that the model knows{such_as}: leave it out")
        names.append(user or str(number))
        users.append(user_id)
        flat += [*before, *own]
        lengths.append(len(before) + len(own))
    if not names:
        raise UsageError("there is no history to recommend for: give at least one row of items")
    length = torch.tensor(lengths)
    first = offsets(length)
    return Histories(names, torch.tensor(users), torch.tensor(flat), first, first + length, skipped)


def read_histories(file: Path, with_users: bool = False) -> Iterator[tuple[str | None, list[str]]]:
    """Reads rows of item tokens, oldest first, one row per line.

    Args:
        file: Text with spaces or tabs between the tokens; or, with the ending .jsonl, on each line a JSON list of
            tokens, or an object with ``items`` and optionally ``user``.
        with_users: Whether the first token of a line of text is the user's.

    Yields:
        The user's token, or None, and the items' tokens.

    Raises:
        UsageError: If the file can't be read, or a line is not such a row.
    """
    try:
        lines = file.read_text(encoding="utf-8-sig").split("\n")  # not splitlines(): a token may hold U+2028
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{file} can't be read as text in UTF-8: {error}") from None
    for number, line in enumerate(lines, 1):
        if not line.strip(" \t"):
            continue
        if file.suffix == ".jsonl":
            yield _json_row(line, f"{file}, line {number}")
        else:
            tokens = line.split("\t") if "\t" in line else [token for token in line.split(" ") if token]
            yield (tokens[0], tokens[1:]) if with_users else (None, tokens)


def _json_row(line: str, place: str) -> tuple[str | None, list[str]]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place} is not JSON ({error}): expected a list of items per line") from None
    if isinstance(value, dict) and (others := value.keys() - {"user", "items"}):
        raise UsageError(f'{place} has {", ".join(sorted(others))}: expected the names "items" and "user" alone')
    user, tokens = (value.get("user"), value.get("items")) if isinstance(value, dict) else (None, value)
    if not isinstance(tokens, list) or any(isinstance(token, list | dict | None) for token in tokens):
        raise UsageError(f'{place}: expected a list of items, or {{"user": ..., "items": [...]}}')
    return None if user is None else str(user), [str(token) for token in tokens]
