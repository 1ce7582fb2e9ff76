"""The command `embeddings`: vectors of items, or of users' sequences, with their tokens."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recbole_cl.serving.arguments import add_run, add_until, loaded
from recbole_cl.serving.output import refuse_wrong_name, table_writer
from recbole_cl.writing import atomic_writer

FORMATS = ("npz", "parquet")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `embeddings`."""
    add_run(parser)
    parser.add_argument("--of", choices=("items", "users"), default="items", help="default: %(default)s")
    add_until(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        required=True,
        help=".npz with tokens [N] and vectors [N, D], or .parquet with one list per row",
    )


def main(args: argparse.Namespace) -> int:
    """Writes vectors.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: If the run or an argument is wrong.
    """
    refuse_wrong_name(args.out, FORMATS)
    run = loaded(args)
    if args.of == "items":
        tokens, vectors = run.items.tokens[1:], run.item_table[1:]
    else:
        histories = run.histories(None, args.history)
        tokens, vectors = list(histories.names), run.sequence_vectors(histories)
    write_vectors(args.out, tokens, vectors.float().cpu().numpy())
    print(f"wrote {args.out}: {len(tokens)} vectors of {vectors.shape[1]} values")
    return 0


def write_vectors(file: Path, tokens: Sequence[str], vectors: NDArray[np.float32]) -> None:
    """Writes vectors with their tokens.

    Args:
        file: Ends in .npz or .parquet.
        tokens: N tokens.
        vectors: [N, D].

    Raises:
        UsageError: If the file has another ending.
    """
    refuse_wrong_name(file, FORMATS)
    if file.suffix.lower() == ".npz":
        file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_writer(file) as raw:
            np.savez(raw, tokens=np.array(tokens, dtype=str), vectors=vectors)
    else:
        with table_writer(file) as write:
            write(pd.DataFrame({"token": tokens, "vector": list(vectors)}))
