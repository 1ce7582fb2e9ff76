"""The command `export`: writes a trained model for use elsewhere."""

from __future__ import annotations

import argparse
from pathlib import Path

from recbole_cl.errors import UsageError
from recbole_cl.serving.arguments import add_run, loaded


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `export`."""
    add_run(parser)
    parser.add_argument(
        "--format",
        choices=("package", "onnx"),
        required=True,
        help="a folder with weights, settings and items for recbole_cl.load_package; or a file for onnxruntime",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="PATH", help="a new folder, or a name in .onnx")
    parser.add_argument("--k", type=int, help="onnx: gives the best K items and not the scores of all")


def main(args: argparse.Namespace) -> int:
    """Writes the model.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: If the run or an argument is wrong.
    """
    if args.format == "package":
        if args.k is not None:
            raise UsageError("--k: a package takes k at each call; leave it out")
        from recbole_cl.serving.package import write_package

        write_package(loaded(args), args.out)
        print(f"wrote {args.out}: recbole_cl.load_package({str(args.out)!r}).recommend([[...]])")
    else:
        from recbole_cl.serving.onnx_file import write_onnx

        write_onnx(loaded(args), args.out, args.k)
        print(f"wrote {args.out} and {args.out.with_suffix('.items.json')}")
    return 0
