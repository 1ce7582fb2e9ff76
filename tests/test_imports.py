"""Who may import whom, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "recbole_cl"
PURE = ("augmentation", "encoder", "loss", "sampling")
# What knows nothing of the layers: every layer may use these.
COMMON = (
    "allocator",
    "batch",
    "config",
    "distributed",
    "errors",
    "host",
    "guard",
    "ragged",
    "registry",
    "text",
    "writing",
)
# What a layer may import of this package, besides itself and what is common to all.
ALLOWED = {
    **dict.fromkeys(PURE, ()),
    "data": (),
    # In a plain RecBole script nobody but the model can draw positives, correlate items, or cluster rows.
    "model": (*PURE, "data.hooks", "data.item_vectors", "data.same_target", "data.correlation", "data.training_rows"),
    "evaluation": ("data", "model.interface"),
    "trainer": ("data.fingerprint", "data.loader", "evaluation", "model.interface"),
    "testing": ("cli", "evaluation", "load", "model", "run", "runs"),
    "recboles": ("data", "evaluation.ranks", "trainer"),
    "runs": ("encoder", "data", "evaluation", "model", "recboles", "trainer"),
    "analysis": ("data.vocabulary", "evaluation", "report", "runs", "trainer.checkpoint"),
    "report": ("analysis", "data", "evaluation", "runs", "suites"),
    "search": ("data", "runs"),
    "serving": ("data", "encoder", "evaluation", "model.base", "runs", "trainer"),
    "suites": ("data.files.names", "evaluation", "report", "runs"),
    "interop": ("data", "model", "runs", "trainer"),
    "cli": ("data.files.names", "flags", "runs", "train_help"),
    "flags": (),
    "train_help": (),
}
COMMON_TO_PURE = ("batch", "errors", "host", "ragged", "registry")
ALLOWED_TO_COMMON = {
    "allocator": (),
    "batch": ("errors", "host", "ragged"),
    "host": (),
    "config": ("distributed.processes", "errors", "registry", "writing"),
    "distributed": ("batch", "errors"),
    "errors": (),
    "guard": ("distributed.processes", "errors", "text"),
    "ragged": (),
    "registry": ("errors",),
    "text": (),
    "writing": ("distributed.processes",),
}
# The tests themselves (this file, for one) live in one process with everything and are not layers.
SCRIPTS = [*ROOT.glob("*.py"), *ROOT.glob("benchmarks/**/*.py"), *ROOT.glob("tests/**/*.py")]


def imports_of(source: str, package: str) -> Iterator[str]:
    """Yields the full dotted name of everything that a module imports, inside functions and type checks too.

    Args:
        source: The module's text.
        package: Dotted name of the package that holds it, for relative imports.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: package.count(".") + 2 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str))


def within(name: str, *modules: str) -> bool:
    """Tells whether a dotted name is one of the modules or lies inside one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def within_any(imported: Sequence[str], module: str, modules: Collection[str]) -> bool:
    """Tells whether one of the imported names is a module, or stands in it and in none of its sub-modules."""
    own = [name for name in imported if within(name, module)]
    inner = [other for other in modules if own and other.startswith(f"{module}.")]
    return any(not within(name, *inner) for name in own)


def files_of(layer: str) -> list[Path]:
    """Lists the source files of a sub-package, or of a module at the top of the package."""
    module = PACKAGE / f"{layer}.py"
    return [module] if module.exists() else sorted((PACKAGE / layer).rglob("*.py"))


@cache  # the test of circles asks for each file as often as there are files
def imports_in(path: Path) -> tuple[str, ...]:
    """Lists what a file of the project imports."""
    return tuple(imports_of(path.read_text(), ".".join(path.parent.relative_to(ROOT).parts)))


def breaches(paths: list[Path], allowed: tuple[str, ...]) -> list[str]:
    """Lists the imports of this package that are not among the allowed modules of it."""
    targets = [f"recbole_cl.{module}" for module in allowed]
    return [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in paths
        for name in imports_in(path)
        if within(name, "recbole_cl") and not within(name, *targets)
    ]


@pytest.mark.parametrize("layer", ALLOWED)
def test_a_layer_imports_only_the_layers_below_it(layer: str) -> None:
    common = COMMON_TO_PURE if layer in PURE else COMMON
    assert breaches(files_of(layer), (layer, *common, *ALLOWED[layer])) == []


@pytest.mark.parametrize("module", ALLOWED_TO_COMMON)
def test_what_is_common_to_all_knows_no_layer(module: str) -> None:
    assert breaches(files_of(module), (module, *ALLOWED_TO_COMMON[module])) == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    """What can be taken away again and again, since it imports nothing that is left, is in no circle."""
    files = {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    names = {name.removesuffix(".__init__"): path for name, path in files.items()}
    left: dict[str, set[str]] = {}
    for name, path in names.items():
        imported = imports_in(path)
        left[name] = {other for other in names if other != name and within_any(imported, other, names)}
    while free := [name for name, needs in left.items() if not needs & left.keys()]:
        for name in free:
            del left[name]
    assert left == {}


@pytest.mark.parametrize("layer", PURE)
def test_a_pure_layer_needs_torch_and_numpy_only(layer: str) -> None:
    free = {"torch", "numpy", "recbole_cl", *sys.stdlib_module_names}
    others = {name for path in files_of(layer) for name in imports_in(path) if name.split(".")[0] not in free}
    assert others == set()


def test_only_the_command_line_suites_the_contract_tests_and_the_package_itself_import_the_runner() -> None:
    public = ("recbole_cl.run", "recbole_cl.run_seeds", "recbole_cl.load")
    importers = {
        str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        if any(within(name, "recbole_cl.runs.runner", *public) for name in imports_in(path))
    }
    assert importers == {"__init__.py", "cli.py", "search/final.py", "suites/job.py", "testing/contract.py"}


def test_nobody_imports_what_recbole_asks_for_but_we_do_not_install() -> None:
    banned = ("recbole.quick_start", "ray", "hyperopt")
    found = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in [*PACKAGE.rglob("*.py"), *SCRIPTS]
        for name in imports_in(path)
        # but for who brings a stand-in, in a script that has asked for it
        if within(name, *banned) and "interop" not in path.parts and path.stem != "recbole_compatibility"
    ]
    assert found == []


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import ray.tune as t", ["ray.tune"]),
        ("from recbole_cl import run", ["recbole_cl.run"]),
        ("from recbole_cl.model.base import A, B", ["recbole_cl.model.base.A", "recbole_cl.model.base.B"]),
        ("from . import base", ["recbole_cl.model.base"]),
        ("from .base import A", ["recbole_cl.model.base.A"]),
        ("from ..data import rows", ["recbole_cl.data.rows"]),
        ("def f():\n    import numpy", ["numpy"]),
        ("m = importlib.import_module('recbole_cl.runs.runner')", ["recbole_cl.runs.runner"]),
    ],
)
def test_every_form_of_import_is_seen(source: str, expected: list[str]) -> None:
    assert list(imports_of(source, "recbole_cl.model")) == expected


@pytest.mark.slow
def test_a_training_imports_neither_the_compiler_nor_scikit_learn(tmp_path: Path) -> None:
    """Which take half of a small run's time, and are of no use to it."""
    code = "import sys\nfrom pathlib import Path\nfrom recbole_cl import run\n"
    code += "from recbole_cl.testing.toy import TINY, write_cycle\n"
    code += "run('SASRec', 'cycle', epochs=1, **TINY, **write_cycle(Path(sys.argv[1])))\n"
    code += "assert not {'torch._dynamo', 'sklearn', 'scipy.stats'} & sys.modules.keys()\n"
    code += "from sklearn.metrics import f1_score\nassert f1_score([1], [1]) == 1"
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, cwd=ROOT)
