"""Operators by name, and how their own keyword arguments get their values.

An operator is a function in a file of its own: ``(item_seq, seq_len, generator, *, keywords) -> Rows``. Settings name
it by its name in the table below, or by the dotted path of any importable function; every method that draws views then
accepts it. The names of its keyword arguments say what it needs: ``ratio`` and the like come from the settings;
``fill_id`` (the id that replaces masked items) and ``neighbour`` (the most correlated item of each item) from the
method.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from recbole_cl.batch import Rows
from recbole_cl.errors import UsageError
from recbole_cl.registry import Registry


class Operator(Protocol):
    """An augmentation whose own arguments are bound, for example ``partial(crop, ratio=0.6)``."""

    def __call__(self, item_seq: Tensor, seq_len: Tensor, generator: torch.Generator, /) -> Rows:
        """Returns augmented copies of all rows."""


OPERATORS: Registry[Callable[..., Rows]] = Registry(
    "operator",
    {
        "crop": "recbole_cl.augmentation.crop.crop",
        "mask": "recbole_cl.augmentation.mask.mask",
        "reorder": "recbole_cl.augmentation.reorder.reorder",
        "substitute": "recbole_cl.augmentation.correlated.substitute",
        "insert": "recbole_cl.augmentation.correlated.insert",
        "delete": "recbole_cl.augmentation.delete.delete",
    },
)


def takes(name: str, keyword: str) -> bool:
    """Whether an operator has a keyword argument, such as ``neighbour``."""
    return keyword in _keywords(name)


def never_lengthens(name: str) -> bool:
    """Whether an operator never makes a row longer; unknown for operators from elsewhere."""
    return name in OPERATORS.names() and name != "insert"


def bind(name: str, values: Mapping[str, Any], supplied: Mapping[str, Any]) -> Operator:
    """Binds values to an operator's keyword arguments.

    Args:
        name: The operator, by the table's name or by its dotted path.
        values: Values from the settings; each must be an argument of the operator.
        supplied: Values from the method; the operator receives those that it has an argument for.

    Returns:
        The operator, ready to use.

    Raises:
        UsageError: If a value has no argument, or an argument without a default has no value.
    """
    keywords = _keywords(name)
    free = [key for key in keywords if key not in supplied]
    for key in values:
        if key not in free:
            raise UsageError(f"operator_options.{name} has an entry {key!r}: expected one of {', '.join(free)}")
    bound = {key: supplied[key] for key in keywords if key in supplied} | dict(values)
    for key, parameter in keywords.items():
        if key not in bound and parameter.default is parameter.empty:
            remedy = f"give one by operator_options = {{{name}: {{{key}: ...}}}}"
            raise UsageError(f"operators: {name} needs a value for {key!r}, which nothing here supplies; {remedy}")
    return partial(OPERATORS.resolve(name), **bound)


def _keywords(name: str) -> dict[str, inspect.Parameter]:
    parameters = inspect.signature(OPERATORS.resolve(name)).parameters
    return {key: it for key, it in parameters.items() if it.kind is it.KEYWORD_ONLY}
