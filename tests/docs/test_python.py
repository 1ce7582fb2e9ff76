"""Every Python block of the documentation: it compiles, and what it imports, calls and sets exists."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest

import recbole_cl
from recbole_cl.runs.build import build_config
from tests.docs.methods import my_methods
from tests.docs.pages import Block, blocks

pytestmark = pytest.mark.usefixtures("my_methods")
__all__ = ["my_methods"]

OURS = ("recbole_cl", "my_methods")
# What a call gives, so that the methods that a page calls on it can be looked up.
GIVES = {
    recbole_cl.load: recbole_cl.LoadedRun,
    recbole_cl.load_package: recbole_cl.Package,
    recbole_cl.run: recbole_cl.RunResult,
    recbole_cl.tune: recbole_cl.SearchResult,
}


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_names_calls_and_settings_of_a_block(block: Block) -> None:
    tree = ast.parse(block.text, str(block))
    compile(tree, str(block), "exec")
    names = imported(tree)
    values = {
        target.id: GIVES[names[it.value.func.id]]
        for it in ast.walk(tree)
        if isinstance(it, ast.Assign) and isinstance(it.value, ast.Call) and isinstance(it.value.func, ast.Name)
        for target in it.targets
        if isinstance(target, ast.Name) and names.get(it.value.func.id) in GIVES
    }
    for it in ast.walk(tree):
        if isinstance(it, ast.Attribute) and isinstance(it.value, ast.Name) and it.value.id in values:
            kind = values[it.value.id]
            assert hasattr(kind, it.attr) or it.attr in inspect.signature(kind).parameters, f"{kind} has no {it.attr}"
        if isinstance(it, ast.Call):
            check_call(it, called(it.func, names, values))


def imported(tree: ast.Module) -> dict[str, Any]:
    """What the block imports of ours and of its reader's; of others, that they are there."""
    names: dict[str, Any] = {}
    for it in ast.walk(tree):
        if isinstance(it, ast.Import):
            assert all(find_spec(alias.name) for alias in it.names), ast.unparse(it)
        elif isinstance(it, ast.ImportFrom) and it.module != "__future__":
            assert it.module and find_spec(it.module), ast.unparse(it)
            if it.module.split(".")[0] in OURS and it.names[0].name != "*":
                module = import_module(it.module)
                names |= {alias.asname or alias.name: getattr(module, alias.name) for alias in it.names}
    return names


def called(function: ast.expr, names: Mapping[str, Any], values: Mapping[str, type]) -> Any:
    """The function that an expression of a call means, if it is one of ours."""
    if isinstance(function, ast.Name):
        return names.get(function.id)
    if isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id in values:
        return getattr(values[function.value.id], function.attr, None)
    return None


def check_call(call: ast.Call, function: Any) -> None:
    """Checks the arguments of a call, and the settings among them."""
    if not callable(function) or any(isinstance(it, ast.Starred) for it in call.args):
        return
    given: list[Any] = [ast.literal_eval(it) if _is_literal(it) else ... for it in call.args]
    keywords = {it.arg: ast.literal_eval(it.value) if _is_literal(it.value) else ... for it in call.keywords if it.arg}
    signature = inspect.signature(function)
    unbound = inspect.isfunction(function) and next(iter(signature.parameters), "") == "self"
    bound = signature.bind(*([None] if unbound else []), *given, **keywords)
    if function in (recbole_cl.run, recbole_cl.tune, recbole_cl.suite):
        model = bound.arguments.get("model")
        settings = {key: it for key, it in bound.arguments.get("settings", {}).items() if it is not ...}
        of_data = {"user", "item", "time", "rating", "name"}
        if not of_data & settings.keys():
            build_config(model if isinstance(model, str) else None, "ml-100k", (), settings | {"use_gpu": False})


def _is_literal(value: ast.expr) -> bool:
    return all(isinstance(it, ast.Constant | ast.List | ast.Tuple | ast.Dict | ast.Load) for it in ast.walk(value))
