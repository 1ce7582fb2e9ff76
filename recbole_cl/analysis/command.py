"""The command `analyze`: makes a figure from runs, as a picture or as its numbers."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from recbole_cl.errors import UsageError
from recbole_cl.text import cell
from recbole_cl.writing import atomic_writer

if TYPE_CHECKING:
    from recbole_cl.analysis.runs import Drawing, MakeFigure

_FIGURES = {
    "spectrum": "embeddings",
    "projection": "embeddings",
    "geometry": "recorded",
    "uniformity": "recorded",
    "negatives": "recorded",
    "thresholds": "recorded",
    "bars": "bars",
}
_PICTURES = (".png", ".svg")
_NUMBERS = (".npz", ".csv")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `analyze`."""
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="folder of a finished run; as for compare")
    parser.add_argument(
        "--figure",
        required=True,
        choices=list(_FIGURES),
        help="spectrum: singular values of item embeddings; projection: these in a plane; geometry: alignment and "
        "uniformity by epoch; uniformity: the last epoch's; negatives: sorted similarities by epoch; thresholds: by "
        "epoch; bars: a metric of each line",
    )
    parser.add_argument(
        "--out",
        nargs="+",
        type=Path,
        metavar="FILE",
        help=f"what to write, by its ending: {', '.join((*_PICTURES, *_NUMBERS))} (default: <figure>.png, .npz)",
    )
    parser.add_argument(
        "--weights",
        nargs="+",
        choices=("best", "last"),
        default=["best"],
        help="of spectrum and projection: those that were tested, those of the last epoch, or both (default: best)",
    )
    parser.add_argument(
        "--form",
        choices=("unit", "as_is"),
        default="unit",
        help="of geometry and uniformity: of unit vectors, as published; or of vectors as they are, as in DuoRec's "
        "code, which runs with diagnostics_every record (default: unit)",
    )
    parser.add_argument(
        "--metric", default="ndcg@10", help="the metric of bars, and of the points on a path (default: %(default)s)"
    )
    parser.add_argument(
        "--label",
        nargs="+",
        default=(),
        metavar="NAME",
        help="names for the lines, in the order in which they are given",
    )


def main(args: argparse.Namespace) -> int:
    """Write the figure.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: a run that cannot be read, or that lacks the data of the figure.
    """
    files = args.out or [Path(f"{args.figure}{ending}") for ending in (".png", ".npz")]
    if wrong := [file for file in files if file.suffix.lower() not in _WRITERS]:
        raise UsageError(f"--out {wrong[0]}: expected a name that ends in {', '.join(_WRITERS)}")
    from recbole_cl.analysis.runs import Subject, named
    from recbole_cl.report.archive import load_runs
    from recbole_cl.report.groups import group_runs, renamed

    groups = renamed(group_runs(run for path in args.runs for run in load_runs(path)), args.label)
    subject = Subject(named(groups), groups, list(dict.fromkeys(args.weights)), args.form, args.metric.lower())
    make: MakeFigure = getattr(import_module(f"recbole_cl.analysis.{_FIGURES[args.figure]}"), args.figure)
    drawing = make(subject)
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        _WRITERS[file.suffix.lower()](drawing, file)
        print(f"wrote {file}", file=sys.stderr)
    return 0


def _write_picture(drawing: Drawing, file: Path) -> None:
    from recbole_cl.analysis.drawing import picture_bytes

    content = picture_bytes(drawing.draw, file.suffix.lower().lstrip("."))
    with atomic_writer(file) as out:
        out.write(content)


def _write_table(drawing: Drawing, file: Path) -> None:
    table = drawing.table.apply(lambda column: column.map(lambda it: cell(it) if isinstance(it, str) else it))
    with atomic_writer(file) as out:
        out.write(table.to_csv(index=False, lineterminator="\n").encode())


def _write_arrays(drawing: Drawing, file: Path) -> None:
    """Writes one array per column, texts as text, so that reading them unpickles nothing."""
    import numpy as np

    columns = {str(name): column.to_numpy() for name, column in drawing.table.items()}
    arrays = {name: values.astype(str) if values.dtype == object else values for name, values in columns.items()}
    with atomic_writer(file) as out:
        np.savez(out, **arrays)


_WRITERS: dict[str, Callable[[Drawing, Path], None]] = {
    **dict.fromkeys(_PICTURES, _write_picture),
    ".npz": _write_arrays,
    ".csv": _write_table,
}
