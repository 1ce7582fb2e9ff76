"""Items by the user's own tokens: conversion to a model's ids, and back. Imports neither pandas nor RecBole.

Letters: N items (padding row 0 included).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from recbole_cl.errors import UsageError
from recbole_cl.writing import atomic_write_json

ITEMS_FILE = "items.json"


class Vocabulary:
    """Tokens in the order of their ids.

    Args:
        tokens: N tokens; the first belongs to the padding row, which stands for no item.
        kind: What messages call such a token.
    """

    def __init__(self, tokens: Sequence[str], kind: str = "item") -> None:
        self.tokens = [str(token) for token in tokens]
        self.kind = kind
        self._ids = {token: number for number, token in enumerate(self.tokens) if number}

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return str(token) in self._ids

    def find(self, token: object) -> int | None:
        """The id of a token, or None if it is unknown; a number is converted to text."""
        return self._ids.get(str(token))

    def id_of(self, token: object) -> int:
        """The id of a token.

        Raises:
            UsageError: If it is unknown.
        """
        if (found := self.find(token)) is None:
            as_text = "" if isinstance(token, str) else f" (taken as the text {str(token)!r})"
            sample = f", such as {self.tokens[1]!r}" if len(self) > 1 else ""
            raise UsageError(
                f"{self.kind} {token!r}{as_text} is not among the {len(self) - 1} that the model knows{sample}"
            )
        return found

    def known(self, tokens: Iterable[object]) -> list[int]:
        """The ids of the known tokens, in order."""
        return [found for token in tokens if (found := self.find(token)) is not None]

    def save(self, file: Path) -> None:
        """Writes the tokens, without the padding row's, as a JSON list."""
        atomic_write_json(file, self.tokens[1:])


def load_items(file: Path) -> Vocabulary:
    """Reads the items that ``Vocabulary.save`` wrote.

    Raises:
        UsageError: If the file is missing or damaged.
    """
    try:
        tokens = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"no {file.name} in {file.parent}: it was made by an earlier version, or is damaged") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{file} is damaged: {error}") from None
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise UsageError(f"{file} is damaged: it holds no list of tokens")
    return Vocabulary(["[PAD]", *tokens])


def items_of(dataset: Any) -> Vocabulary:
    """The items of a dataset, RecBole's or ours, by id."""
    return Vocabulary(list(map(str, dataset.field2id_token[dataset.iid_field])))
