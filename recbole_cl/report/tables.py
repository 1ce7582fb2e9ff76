"""Compares stored runs: means and spread over seeds, differences to a baseline, significance. S seeds, U users."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.protocol import KEPT, PROTOCOLS, protocol_of
from recbole_cl.evaluation.significance import (
    PairedTest,
    computable_from_ranks,
    crossed_test,
    holm,
    paired_test,
    per_user_metric,
)
from recbole_cl.report.groups import RunGroup, group_runs, may_repeat_users, renamed, sampled_modes
from recbole_cl.report.store import StoredRun
from recbole_cl.report.users import users_by
from recbole_cl.runs.folder import RANKS, RESULT

DEFAULT_METRICS = ("hit@10", "ndcg@10")
Split = Literal["test", "valid"]
SPLITS: tuple[Split, ...] = ("test", "valid")
_DEFAULT_BASELINE = "SASRec"


class Measure(NamedTuple):
    """What is compared: the ranks of the test's or the validation's targets, under one protocol."""

    split: Split
    protocol: str

    def has_ranks_for(self, metric: str) -> bool:
        """Whether stored ranks give the metric, user by user; ranks of the validation are not stored."""
        return self.split == "test" and computable_from_ranks(metric)


@dataclass(frozen=True)
class Row:
    """One model's value of one metric; None where a number does not exist.

    Args:
        seeds: the number of runs behind `mean`.
        std: the sample standard deviation over seeds.
        difference: `mean` minus the baseline's.
        percent: the difference relative to the baseline, in percent.
        low: lower end of the difference's 95 % interval over users.
        high: upper end of it.
        p: p value of the paired test over users.
        p_holm: `p`, corrected over the table.
        p_both: p value of the test over users and seeds together, corrected over the table; over seeds only for a
            metric that has no value per user.
        group: the users that the value is for, in a table by groups of users; empty for all.
    """

    metric: str
    model: str
    seeds: int
    mean: float
    std: float | None
    difference: float | None = None
    percent: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_holm: float | None = None
    p_both: float | None = None
    group: str = ""


@dataclass(frozen=True)
class Table:
    """All comparisons on one dataset under one protocol; the p values of each test are one family.

    Args:
        comparison: the title of the comparison on a page; empty without a page.
        split: which targets were ranked, those of the test or of the validation.
        by: how users are grouped; empty if all are taken together.
        mode: the candidates: `full`, or sampled items, such as `pop100`.
        of_rows: whether a user may have several test rows, each of which counts as a user.
    """

    dataset: str
    protocol: str
    baseline: str
    test: PairedTest
    n_users: int
    rows: tuple[Row, ...]
    comparison: str = ""
    split: Split = "test"
    by: str = ""
    mode: str = "full"
    of_rows: bool = False

    @property
    def family(self) -> int:
        """Number of p values over users that were corrected together."""
        return sum(row.p is not None for row in self.rows)

    @property
    def family_of_both(self) -> int:
        """Number of p values over users and seeds that were corrected together."""
        return sum(row.p_both is not None for row in self.rows)


def compare_runs(
    runs: Sequence[StoredRun],
    metrics: Sequence[str] = DEFAULT_METRICS,
    baseline: str | None = None,
    test: PairedTest = "t",
    *,
    split: Split = "test",
    labels: Sequence[str] = (),
    by: str = "",
) -> list[Table]:
    """Compare stored runs, one table for each dataset and protocol.

    Args:
        runs: any number; runs that differ only in their seed are averaged.
        metrics: those that follow from ranks at any cut-off, e.g. `ndcg@10`, and others that every run recorded.
        baseline: a model or a group's label; SASRec if None and present, else the first run's model.
        test: the paired test over users, `t` or `wilcoxon`.
        split: `valid` compares the validation of the best epochs, as recorded and under the protocol of `eval_history`.
            Use it to choose between settings, so that no choice is made on the test. There is then no test over users.
        labels: other names for the groups, in the order of their first appearance.
        by: how to group users, one of `users.BY`; empty takes all together.

    Raises:
        UsageError: runs are not comparable, a run lacks a metric, or the baseline is absent or ambiguous.
    """
    return compare_groups(renamed(group_runs(runs), labels), metrics, baseline, test, split, by=by)


def compare_groups(
    groups: Mapping[str, Sequence[RunGroup]],
    metrics: Sequence[str] = DEFAULT_METRICS,
    baseline: str | None = None,
    test: PairedTest = "t",
    split: Split = "test",
    *,
    by: str = "",
) -> list[Table]:
    """Compare groups of runs, one table for each dataset and protocol; see `compare_runs`.

    Args:
        groups: the groups of each dataset, whose runs are comparable (`refuse_incomparable`).
        metrics: as for `compare_runs`.
        baseline: as for `compare_runs`.
        test: as for `compare_runs`.
        split: as for `compare_runs`.
        by: as for `compare_runs`.

    Raises:
        UsageError: a run lacks a metric, or the baseline is absent or ambiguous; with `by`, data are missing,
            or a metric does not follow from ranks.
    """
    names = list(dict.fromkeys(metric.lower() for metric in metrics))
    if by and (others := [name for name in names if not computable_from_ranks(name)]):
        raise UsageError(f"{others[0]} does not follow from ranks, so that groups of users have no value: leave it out")
    return [
        _table(dataset, Measure(split, it), members, _find_baseline(members, baseline, dataset), names, test, by)
        for dataset, members in groups.items()
        for it in (_protocols_of(members) if split == "valid" else [protocol.name for protocol in PROTOCOLS])
    ]


def _protocols_of(groups: Sequence[RunGroup]) -> list[str]:
    """The protocol under which all runs were validated."""
    runs = [run for group in groups for run in group.runs]
    histories = {run.run_dir: (run.settings or {}).get("eval_history", KEPT.setting) for run in runs}
    if len({*histories.values()}) > 1:
        told = ", ".join(f"{folder}: {history}" for folder, history in histories.items())
        raise UsageError(f"eval_history differs, so that validations are not comparable: {told}")
    return [protocol_of(next(iter(histories.values()))).name]


def _find_baseline(groups: Sequence[RunGroup], name: str | None, dataset: str) -> RunGroup:
    exact = [group for group in groups if group.label == name]
    wanted = (name or _DEFAULT_BASELINE).casefold()
    found = exact or [group for group in groups if wanted in (group.model.casefold(), group.label.casefold())]
    if name is None:
        return (found or list(groups))[0]
    if len(found) != 1:
        problem = "several groups of" if found else "no"
        labels = ", ".join(repr(group.label) for group in found or groups)
        raise UsageError(f"{problem} baseline {name!r} on {dataset}: choose from {labels}")
    return found[0]


def _table(
    dataset: str,
    measure: Measure,
    groups: Sequence[RunGroup],
    baseline: RunGroup,
    metrics: Sequence[str],
    test: PairedTest,
    by: str,
) -> Table:
    ordered = [baseline, *(group for group in groups if group is not baseline)]
    rows = []
    for name, inside in users_by(baseline.runs[0], by) if by else [("", None)]:
        parts = ordered if inside is None else [_of_users(group, inside) for group in ordered]
        of_part = [_row(group, parts[0], measure, metric, test) for metric in metrics for group in parts]
        rows += [replace(row, group=name) for row in of_part]
    n_users = baseline.runs[0].n_users
    corrected = _corrected(rows)
    mode = ", ".join(sampled_modes(groups, measure.split)) or "full"
    of = dataset, measure.protocol, baseline.label, test, n_users, corrected
    return Table(*of, split=measure.split, by=by, mode=mode, of_rows=may_repeat_users(groups))


def _of_users(group: RunGroup, inside: NDArray[np.bool_]) -> RunGroup:
    return replace(group, runs=tuple(run.of_users(inside) for run in group.runs))


def _row(group: RunGroup, baseline: RunGroup, measure: Measure, metric: str, test: PairedTest) -> Row:
    figures = [figure_of(run, measure.protocol, metric, measure.split) for run in group.runs]
    mean = float(np.mean(figures))
    std = float(np.std(figures, ddof=1)) if len(figures) > 1 else None
    if group is baseline:
        return Row(metric, group.label, len(figures), mean, std)
    others = [figure_of(run, measure.protocol, metric, measure.split) for run in baseline.runs]
    reference = float(np.mean(others))
    if baseline.runs[0].n_users < 2:  # a group of one
        paired, p_both = None, np.nan
    elif measure.has_ranks_for(metric):
        values, theirs = (_per_user(it, measure.protocol, metric) for it in (group, baseline))
        paired, p_both = paired_test(values, theirs, test), crossed_test(values, theirs)
    else:
        paired, p_both = None, crossed_test(figures, others)
    return Row(
        metric,
        group.label,
        len(figures),
        mean,
        std,
        difference=mean - reference,
        percent=100 * (mean - reference) / reference if reference else None,
        low=paired.low if paired else None,
        high=paired.high if paired else None,
        p=paired.p_value if paired else None,
        p_both=None if np.isnan(p_both) else p_both,
    )


def figure_of(run: StoredRun, protocol: str, metric: str, split: Split = "test") -> float:
    """A run's metric: from its ranks (unrounded, at any cut-off) if they suffice, otherwise as recorded.

    Raises:
        UsageError: the run lacks it, or its ranks and its result disagree.
    """
    all_recorded = run.test[protocol] if split == "test" else run.valid
    recorded = all_recorded.get(metric)
    if not Measure(split, protocol).has_ranks_for(metric):
        if recorded is None:
            known = ", ".join(all_recorded) or "nothing"
            raise UsageError(
                f"{run.run_dir} did not record {metric!r}, only {known}: leave it out or run the test again"
            )
        return float(recorded)
    value = float(per_user_metric(run.ranks[protocol], metric).mean())
    places = (run.settings or {}).get("metric_decimal_place")
    rounding = 10.0 ** -(min(places, 16) if type(places) is int else 4)
    if recorded is not None and abs(recorded - value) > rounding:
        raise UsageError(
            f"{run.run_dir}: {RANKS[protocol]} says {metric} {value:.4f}, {RESULT} {recorded}: run the test again"
        )
    return value


def _per_user(group: RunGroup, protocol: str, metric: str) -> NDArray[np.float64]:
    return per_user_metric(np.stack([run.ranks[protocol] for run in group.runs]), metric)  # [S, U]


def _corrected(rows: Sequence[Row]) -> tuple[Row, ...]:
    of_users = iter(holm([row.p for row in rows if row.p is not None]).tolist())
    of_both = iter(holm([row.p_both for row in rows if row.p_both is not None]).tolist())
    return tuple(
        replace(
            row,
            p_holm=None if row.p is None else next(of_users),
            p_both=None if row.p_both is None else next(of_both),
        )
        for row in rows
    )
