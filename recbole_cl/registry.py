"""Objects by name: our own from a table, a user's by dotted path; imported only when asked for by the user."""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import reduce
from importlib import import_module, invalidate_caches
from importlib.util import find_spec
from traceback import walk_tb
from types import ModuleType
from typing import Any, Generic, TypeVar

from recbole_cl.errors import UsageError

T = TypeVar("T")

_PATH = re.compile(r"[^\W\d]\w*([.:][^\W\d]\w*)+")
_named: set[tuple[str, str]] = set()  # module and attribute of each path that the caller has named in this process


class Registry(Generic[T]):
    """Objects of one kind, such as models or operators, by name (case-insensitive) or by dotted path.

    A dotted path, ``my_package.my_module.my_thing`` or ``my_package.my_module:my_thing``, need not be registered. It is
    imported only if the caller has named it (``name_paths``), or if its module has been imported already: naming code
    in somebody else's file does not run it.

    Args:
        kind: The word for such an object in messages, such as "operator".
        table: Name -> path of our own. Nothing is imported until it is resolved.
        accepts: Tells whether an object is of this kind.
        expected: The accepted objects, as the end of "expected ...".
        remedy: How the caller can name a path, for the message about a path that only a stored file names; ``{path}``
            stands for the path.
    """

    def __init__(
        self,
        kind: str,
        table: Mapping[str, str],
        *,
        accepts: Callable[[Any], bool] = callable,
        expected: str = "a function or a class",
        remedy: str = (
            "set it to {path} by a flag, a keyword or a file in config_files, give --code {path} to a command that "
            "loads a run, or import its module first"
        ),
    ) -> None:
        self._kind, self._accepts, self._expected, self._remedy = kind, accepts, expected, remedy
        self._table = dict(table)
        self._added: dict[str, str | T] = {}

    def names(self) -> list[str]:
        """Names of our own in the order of the table, followed by those that were added."""
        return [*self._table, *self._added]

    def find(self, name: str) -> str | None:
        """The name as it is spelt here (case-insensitive), or None if there is none."""
        return next((known for known in self.names() if known.lower() == name.lower()), None)

    def path(self, name: str) -> str | None:
        """The dotted path of one of our own, or None."""
        return self._table.get(name)

    def register(self, name: str, target: str | T) -> None:
        """Adds a name, or gives an added name another target.

        Args:
            name: An identifier.
            target: The object, or its dotted path.

        Raises:
            UsageError: If the name is not an identifier, or is one of our own.
        """
        if not name.isidentifier():
            raise UsageError(f"{self._kind} {name!r}: expected a name of letters, digits and _")
        if (taken := self.find(name)) and taken not in self._added:
            raise UsageError(f"{self._kind} {name!r}: {taken} comes with this package; choose another name")
        self._added[taken or name] = target
        name_paths(target)

    def resolve(self, name: str) -> T:
        """Finds an object, and imports its module if needed.

        Args:
            name: A name, case-insensitive, or a dotted path.

        Returns:
            The object.

        Raises:
            UsageError: If the name is unknown; or if the path must not be imported, cannot be imported, or leads to an
                object of another kind. An error raised by the module itself is the cause.
        """
        known = self.find(name)
        found: Any = self._added.get(known, name) if known else name
        if known in self._table:
            module, attribute = _parts(self._table[known])
            found = reduce(getattr, attribute.split("."), import_module(module))
        elif isinstance(found, str):
            if not is_path(found):
                raise UsageError(f"unknown {self._kind} {name!r}: {self._suggest(name)}")
            found = self._at(found)
        return self.check(found, name)

    def check(self, found: Any, name: str) -> T:
        """Refuses an object of another kind.

        Args:
            found: Any object.
            name: The caller's name for it, for the message.

        Returns:
            The same object.

        Raises:
            UsageError: If it is of another kind.
        """
        if not self._accepts(found):
            what = type(found).__name__ if not isinstance(found, type) else f"the class {found.__qualname__}"
            raise UsageError(f"{self._kind} {name} is {_article(what)}: expected {self._expected}")
        return found

    def _suggest(self, name: str) -> str:
        known = {each.lower(): each for each in self.names()}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        hint = f"did you mean {known[near[0]]}? " if near else ""
        return f"{hint}known are {', '.join(self.names())}; or give a path, such as my_package.my_module.MyThing"

    def _at(self, path: str) -> object:
        name, attribute = _parts(path)
        module = sys.modules.get(name)
        if module is None:
            if (name, attribute) not in _named:
                raise UsageError(
                    f"{self._kind} {path}: named only by a stored file, and only what you name yourself is "
                    f"imported; {self._remedy.format(path=path)}"
                )
            module = _imported(name, f"{self._kind} {path}")
        try:
            return reduce(getattr, attribute.split("."), module)
        except AttributeError as error:
            if _is_module(name, attribute):
                raise UsageError(f"{self._kind} {path}: a module; add the name in it, as in {path}.MyThing") from error
            words = f"{name} ({getattr(module, '__file__', None) or 'no file'}) has no {attribute}"
            raise UsageError(f"{self._kind} {path}: {words}; {_contents(module, attribute)}") from error


def is_path(text: str) -> bool:
    """Tells whether a text has the form of a dotted path: identifiers between dots, or one colon."""
    return _PATH.fullmatch(text) is not None and text.count(":") <= 1


def attribute_of(path: str) -> str:
    """The attribute in a dotted path, without the module: ``MyThing`` of ``my_package.my_module.MyThing``."""
    return _parts(path)[1]


def paths_in(value: object) -> list[str]:
    """All texts within a value, its lists and its mappings (including keys) that have the form of a dotted path."""
    if isinstance(value, str):
        return [value] if is_path(value) else []
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    return [path for item in value for path in paths_in(item)] if isinstance(value, list | tuple) else []


def name_paths(value: object) -> None:
    """Records that the caller has named every dotted path within a value: each may be imported from now on."""
    _named.update(map(_parts, paths_in(value)))


def _parts(path: str) -> tuple[str, str]:
    """Module and attribute of a path; after a colon, the attribute may contain dots."""
    module, _, attribute = path.partition(":") if ":" in path else path.rpartition(".")
    return module, attribute


def _imported(name: str, label: str) -> ModuleType:
    """Imports a user's module, which may be in the working folder."""
    # Last, so that it hides nothing; permanently, since the module's functions may import neighbouring modules when
    # called.
    if not {"", os.getcwd()} & set(sys.path):
        sys.path.append(os.getcwd())
    invalidate_caches()  # the file may just have been written
    try:
        return import_module(name)
    except (Exception, SystemExit) as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            raise UsageError(
                f"{label}: there is no module {error.name}, neither installed nor in {os.getcwd()}; fix the path, or "
                "start in the folder that holds it"
            ) from error
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        place = _place(error, name.split(".")[0])
        raise UsageError(f"{label}: importing {name} failed at {place} with {what}; fix it there") from error


def _place(error: BaseException, package: str) -> str:
    """File and line of a package, if there is one, where an error passed through or arose last."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    lines = [(frame.f_globals.get("__name__", ""), frame, line) for frame, line in walk_tb(error.__traceback__)]
    theirs = [it for it in lines if it[0].split(".")[0] == package]
    _, frame, line = (theirs or lines)[-1]
    return f"{frame.f_code.co_filename}, line {line}"


def _is_module(package: str, name: str) -> bool:
    """Whether an imported package has a module of that name."""
    is_package = hasattr(sys.modules[package], "__path__")
    return is_package and name.isidentifier() and find_spec(f"{package}.{name}") is not None


def _contents(module: object, attribute: str) -> str:
    """The attributes that a module defines itself; suggests the nearest to a missing name, if there is one."""
    own = [name for name, it in vars(module).items() if getattr(it, "__module__", None) == module.__name__]  # type: ignore[attr-defined]
    if near := difflib.get_close_matches(attribute, own, n=1):
        return f"did you mean {near[0]}?"
    return f"it defines {', '.join(own)}" if own else "write my_package.my_module.MyThing"


def _article(what: str) -> str:
    if what.startswith("the "):
        return what
    return f"{'an' if what[0] in 'aeiou' else 'a'} {what}"
