"""Finds stored runs that are repetitions of one experiment, and labels them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from recbole_cl.config.common import DECIDES_TARGETS
from recbole_cl.config.identity import identity
from recbole_cl.errors import UsageError
from recbole_cl.report.store import StoredRun
from recbole_cl.runs.folder import CONFIG

_UNSET = "unset"


@dataclass(frozen=True)
class RunGroup:
    """Runs of one model with one configuration on one dataset, by ascending seed."""

    label: str
    model: str
    runs: tuple[StoredRun, ...]


def group_runs(runs: Iterable[StoredRun]) -> dict[str, list[RunGroup]]:
    """Group runs that differ only in their seed, dataset by dataset, in the order of their first appearance.

    Returns:
        The groups of each dataset. A label is the model's name; if several groups have the same model, it is followed
            by the settings that differ, e.g. `DuoRec [contrast=su]`.

    Raises:
        UsageError: runs of one dataset that are not comparable, or two runs of one group with the same seed.
    """
    datasets: dict[str, list[StoredRun]] = {}
    for run in runs:
        datasets.setdefault(run.dataset, []).append(run)
    return {dataset: _groups(members) for dataset, members in datasets.items()}


def renamed(groups: Mapping[str, Sequence[RunGroup]], names: Sequence[str]) -> dict[str, list[RunGroup]]:
    """Rename the groups.

    Args:
        groups: the groups of each dataset.
        names: one for each label, in the order of their first appearance; an empty list leaves all labels unchanged.

    Raises:
        UsageError: there are more or fewer names than labels, or a name occurs twice.
    """
    labels = list(dict.fromkeys(group.label for of in groups.values() for group in of))
    if names and (len(names) != len(labels) or len({*names}) != len(names)):
        raise UsageError(f"--label {' '.join(names)}: expected a name for each of {', '.join(map(repr, labels))}")
    called = dict(zip(labels, names or labels, strict=True))
    return {dataset: [replace(it, label=called[it.label]) for it in of] for dataset, of in groups.items()}


def _groups(runs: Sequence[StoredRun]) -> list[RunGroup]:
    refuse_incomparable(runs)
    members: dict[tuple[str, frozenset[tuple[str, str]]], list[StoredRun]] = {}
    for run in runs:
        members.setdefault((run.model, frozenset(_fingerprint(run).items())), []).append(run)
    first = [group[0] for group in members.values()]
    labels = [_label(run, [other for other in first if other.model == run.model]) for run in first]
    return [
        RunGroup(label, group[0].model, _by_seed(group)) for label, group in zip(labels, members.values(), strict=True)
    ]


def _fingerprint(run: StoredRun) -> dict[str, str]:
    """The settings that a run was made with, except its seed, as text."""
    found = identity({**(run.settings or {}), CONFIG: run.settings is not None, "train_form": run.train_form})
    return {name: value for name, value in found.items() if name != "seed"}


def _label(run: StoredRun, namesakes: Sequence[StoredRun]) -> str:
    """Label a group by its model and by the settings that distinguish it from the model's other groups."""
    peers = [_fingerprint(other) for other in namesakes if (other.settings is None) == (run.settings is None)]
    names = sorted(set[str]().union(*peers))
    differing = [name for name in names if len({peer.get(name, _UNSET) for peer in peers}) > 1]
    parts = [f"{name}={_fingerprint(run).get(name, _UNSET)}" for name in differing]
    if run.settings is None and len(peers) < len(namesakes):
        parts.append(f"no {CONFIG}")
    return f"{run.model} [{', '.join(parts)}]" if parts else run.model


def _by_seed(runs: Sequence[StoredRun]) -> tuple[StoredRun, ...]:
    by_seed: dict[int, StoredRun] = {}
    for run in runs:
        other = by_seed.setdefault(run.seed, run)
        if other is not run:
            raise UsageError(
                f"{other.run_dir} and {run.run_dir} are one experiment with one seed, {run.seed}: leave one of them out"
            )
    return tuple(by_seed[seed] for seed in sorted(by_seed))


def single_baseline(groups: Sequence[RunGroup], name: str | None) -> str | None:
    """A baseline, if it is one line of these; None if it has no run yet, or was swept: then another line is chosen."""
    labels, models = ([getattr(group, key) for group in groups] for key in ("label", "model"))
    return name if name in labels or models.count(name) == 1 else None


def may_repeat_users(groups: Iterable[RunGroup]) -> bool:
    """Whether the split may give a user several test rows, which tests take for users: shares, or files."""
    settings = [run.settings or {} for group in groups for run in group.runs]
    splits = [its["eval_args"].get("split") for its in settings if isinstance(its.get("eval_args"), Mapping)]
    by_share = any(isinstance(split, Mapping) and "RS" in split for split in splits)
    return by_share or any(its.get("benchmark_filename") for its in settings)


def sampled_modes(groups: Iterable[RunGroup], split: str = "test") -> list[str]:
    """The modes, such as `uni100`, of runs whose targets were ranked among sampled items; empty if there are none.

    Args:
        groups: any groups.
        split: `test` or `valid`.
    """
    found = set()
    for run in (run for group in groups for run in group.runs):
        args = (run.settings or {}).get("eval_args")
        mode = args.get("mode", "full") if isinstance(args, Mapping) else "full"
        found.add(str(mode.get(split, next(iter(mode.values()), "full")) if isinstance(mode, Mapping) else mode))
    return sorted(found - {"full"})


def sampled_mark(groups: Iterable[RunGroup], split: str = "test") -> str:
    """What a title must say of such runs: `, among sampled items (uni100)`; empty if there are none."""
    modes = sampled_modes(groups, split)
    return f", among sampled items ({', '.join(modes)})" if modes else ""


def differing_settings(groups: Sequence[RunGroup]) -> list[dict[str, str]]:
    """The settings in which groups differ, as text; nothing distinguishes a single group.

    Args:
        groups: groups of one dataset.

    Returns:
        For each group, its values of these settings.
    """
    first = [group.runs[0] for group in groups]
    values = [_fingerprint(run) for run in first]
    names = set[str]().union(*values) - {"model"}
    of_model: dict[str, set[str]] = {}  # an earlier version may not have stored all of them
    for run in first:
        of_model.setdefault(run.model, set()).update(run.settings or {})
    known = [
        {name: its.get(name, _UNSET) for name in names & of_model[run.model]}
        for run, its in zip(first, values, strict=True)
    ]
    differing = {name for name in names if len({its[name] for its in known if name in its}) > 1}
    return [{name: value for name, value in its.items() if name in differing} for its in known]


def refuse_incomparable(runs: Sequence[StoredRun]) -> None:
    """Refuse runs of one dataset whose test users, test items or data settings differ.

    Raises:
        UsageError: the message names two of the runs, and their difference.
    """
    first = runs[0]
    for run in runs[1:]:
        if run.n_users != first.n_users:
            raise UsageError(
                f"{first.run_dir} has {first.n_users} test users of {first.dataset}, {run.run_dir} has {run.n_users}: "
                "they are not comparable"
            )
    hashed = [run for run in runs if run.targets is not None]
    for run in hashed[1:]:
        if run.targets != hashed[0].targets:
            raise UsageError(
                f"{hashed[0].run_dir} and {run.run_dir} rank other users or test items, or the same in another order "
                "of the data: they are not comparable"
            )
    known = [run for run in runs if run.settings is not None]
    for run in known[1:]:
        _check_same_data(known[0], run)


def _check_same_data(one: StoredRun, other: StoredRun) -> None:
    a, b = _fingerprint(one), _fingerprint(other)
    for name in sorted(DECIDES_TARGETS & (a.keys() | b.keys())):
        if a.get(name) != b.get(name):
            raise UsageError(
                f"{one.run_dir} has {name}: {a.get(name, _UNSET)}, {other.run_dir} has {b.get(name, _UNSET)}: "
                "they are not comparable"
            )
