"""The command `evaluate`: measures a trained run with other metrics, cut-offs, modes or groups, without training.

Letters: U users.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import torch
from tabulate import tabulate
from torch import Tensor

from recbole_cl.config.common import RANKED_AMONG
from recbole_cl.errors import UsageError
from recbole_cl.evaluation.evaluate import RankEvaluator
from recbole_cl.evaluation.groups import grouped, history_lengths, item_counts, of_users
from recbole_cl.evaluation.metrics import MetricSettings, RankCounts, metrics_from_ranks, needs_top_items
from recbole_cl.evaluation.protocol import PROTOCOLS
from recbole_cl.evaluation.ranks import EvaluationRows
from recbole_cl.serving.arguments import add_run, loaded
from recbole_cl.serving.output import FORMATS, refuse_wrong_name, table_writer

if TYPE_CHECKING:
    from recbole_cl.serving.loaded import LoadedRun

BY = ("length", "popularity")
SPLITS = ("valid", "test")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the arguments of `evaluate`."""
    add_run(parser)
    parser.add_argument("--split", choices=SPLITS, default="test", help="default: %(default)s")
    parser.add_argument("--metrics", nargs="+", metavar="METRIC", help="default: those of the run")
    parser.add_argument("--topk", nargs="+", type=int, metavar="K", help="cut-offs (default: those of the run)")
    parser.add_argument("--by", choices=BY, help="for users by length of their history, or by popularity of the target")
    parser.add_argument(
        "--mode", metavar="MODE", help="full, or uni100, pop100 and the like: among sampled items (default: the run's)"
    )
    parser.add_argument(
        "--test_noise_share",
        type=float,
        metavar="SHARE",
        help="random items put into test rows, as a share of a user's items (default: as the run's settings)",
    )
    parser.add_argument(
        "--per_user", type=Path, metavar="FILE", help=f"also each user's target and ranks: .{', .'.join(FORMATS)}"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help=f"the table as a file: .{', .'.join(FORMATS)}")


def main(args: argparse.Namespace) -> int:
    """Prints or writes the metrics.

    Returns:
        The exit code, 0.

    Raises:
        UsageError: If the run or an argument is wrong.
    """
    for file in (args.per_user, args.out):
        refuse_wrong_name(file)
    measured = evaluate(loaded(args), args.split, args.metrics, args.topk, args.test_noise_share, args.mode)
    table = measured.table(args.by)
    if args.per_user is not None:
        with table_writer(args.per_user) as write:
            write(measured.per_user())
        print(f"wrote {args.per_user}", file=sys.stderr)
    if args.out is not None:
        with table_writer(args.out) as write:
            write(table)
    else:
        print(tabulate(table.to_dict("list"), headers="keys", floatfmt=".4f"))
    return 0


@dataclass(frozen=True)
class Measured:
    """Ranks of one part of the data.

    Attributes:
        run: The run.
        split: ``valid`` or ``test``.
        settings: The metrics and their settings.
        rows: The rows that were ranked, one per user.
        ranks: Their ranks under each protocol's setting.
    """

    run: LoadedRun
    split: str
    settings: MetricSettings
    rows: EvaluationRows
    ranks: dict[str, RankCounts]

    def table(self, by: str | None = None) -> pd.DataFrame:
        """Metrics under both protocols, one line each; by groups of users if asked for.

        Args:
            by: ``length``: number of items before the target; ``popularity``: the target's interactions in the training
                part.
        """
        lines = []
        for name, inside in self._groups(by):
            for protocol in PROTOCOLS:
                own = of_users(self.ranks[protocol.setting], inside)
                values = metrics_from_ranks(self.settings, own, self._statistics())
                group = {by: name} if by else {}
                lines.append({"history": protocol.setting, **group, "users": int(inside.sum()), **values})
        return pd.DataFrame(lines)

    def per_user(self) -> pd.DataFrame:
        """Each user's token, target, length of the history, popularity of the target, and ranks from 1."""
        data, rows = self.run.dataset, self.rows.rows
        ranks = {f"rank_history_{p.setting}": self.ranks[p.setting].rank.cpu().numpy() for p in PROTOCOLS}
        return pd.DataFrame(
            {
                "user": data.id2token(data.uid_field, rows.user.cpu().numpy()),
                "target": data.id2token(data.iid_field, rows.target.cpu().numpy()),
                "length": self._length().cpu().numpy(),
                "popularity": self._popularity().cpu().numpy(),
                **ranks,
            }
        )

    def _groups(self, by: str | None) -> Iterator[tuple[str, Tensor]]:
        if by is None:
            yield "", torch.ones(len(self.rows.order), dtype=torch.bool, device=self.rows.order.device)
        else:
            yield from grouped(self._length() if by == "length" else self._popularity())

    def _length(self) -> Tensor:
        return history_lengths(self.rows.rows)

    def _popularity(self) -> Tensor:
        return item_counts(self.run.splits[0]).to(self.rows.order.device)[self.rows.rows.target]

    def _statistics(self) -> dict[str, Any]:
        train = self.run.splits[0]
        return {
            "data.num_items": train.item_num,
            "data.num_users": train.user_num,
            "data.count_items": train.item_counter,
            "data.count_users": train.user_counter,
        }


def evaluate(
    run: LoadedRun,
    split: str = "test",
    metrics: list[str] | None = None,
    topk: list[int] | None = None,
    noise_share: float | None = None,
    mode: str | None = None,
) -> Measured:
    """Ranks the targets of a part of the data again.

    Args:
        run: A loaded run.
        split: ``valid`` or ``test``.
        metrics: Names of metrics; None for those of the run.
        topk: Cut-offs; None for those of the run.
        noise_share: Random items inserted into test rows, as a share of a user's items, in [0, 1]; None for the run's.
        mode: ``full``; or ``uniS`` or ``popS``, among S sampled items; None for the run's ``eval_args.mode``.

    Raises:
        UsageError: If an argument is out of range.
    """
    from recbole_cl.runs.evaluation_rows import among, leaves_out, rows_among_all
    from recbole_cl.runs.settings import settings_of

    if split not in SPLITS:
        raise UsageError(f"split = {split!r}: expected {' or '.join(SPLITS)}")
    if noise_share is not None and (split != "test" or not 0 <= noise_share <= 1):
        raise UsageError(f"test_noise_share = {noise_share}: expected a share in [0, 1], and the split test")
    own = settings_of(run.config).evaluation
    settings = replace(own.metrics, metrics=metrics or own.metrics.metrics, topk=topk or own.metrics.topk)
    if not 1 <= min(settings.topk) <= max(settings.topk) < len(run.dataset.field2id_token[run.dataset.iid_field]):
        raise UsageError(f"topk = {list(settings.topk)}: expected cut-offs from 1 to the number of items")
    if mode is not None and not re.fullmatch(RANKED_AMONG, mode):
        raise UsageError(f"mode = {mode}: expected full, or uni100, pop100 and the like")
    top_k = max(settings.topk) if needs_top_items(settings) else 0
    part = run.splits[1 + SPLITS.index(split)]
    if leaves_out(run.config, part, split):
        raise UsageError(f"split = {split}: the run's settings left no part of the data for it")
    rows = among(run.config, rows_among_all(run.config, part, split, noise_share), split, max(settings.topk), mode)
    ranks = RankEvaluator(run.model, own.batch_size, top_k).rank(rows)
    return Measured(run, split, settings, rows, ranks)
