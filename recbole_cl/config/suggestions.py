"""Refuses unknown settings: all at once, each with a suggestion."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping

from recbole_cl.config.common import WITHOUT_EFFECT
from recbole_cl.config.presets import line_of
from recbole_cl.errors import UsageError

# Names that other programs use for some of these settings; similar spelling alone would suggest wrong ones.
ELSEWHERE = {
    "lr": ("learning_rate",),
    "batch_size": ("train_batch_size", "eval_batch_size"),
    "n_epochs": ("epochs",),
    "num_epochs": ("epochs",),
    "patience": ("stopping_step",),
    "max_seq_length": ("MAX_ITEM_LIST_LENGTH",),
    "max_len": ("MAX_ITEM_LIST_LENGTH",),
    "optimizer": ("learner",),
}


def refuse_unknown(
    sources: Iterable[tuple[str, Iterable[object]]],
    known: Iterable[str],
    model: str,
    keys_by_model: Callable[[], Mapping[str, Iterable[str]]],
    taken: Iterable[str] = (),
) -> None:
    """Refuses settings that nothing reads, and suggests what was probably meant.

    Args:
        sources: The name of the file that holds the settings (or empty), and the settings.
        known: All settings that the run reads.
        model: Name of the model.
        keys_by_model: Reads the keys of all models' files; called only if something is unknown.
        taken: Names that are also accepted but never suggested: older names.

    Raises:
        UsageError: For all unknown settings together.
    """
    known = sorted(known)
    read = {*known, *taken}
    unknown = [(source, str(key)) for source, keys in sources for key in keys if key not in read]
    if unknown:
        others = keys_by_model()
        messages = [
            f"{f'{source}{line_of(key, source)}: ' if source else ''}{_explain(key, known, model, others)}"
            for source, key in unknown
        ]
        raise UsageError(" | ".join(dict.fromkeys(messages)))


def _explain(key: str, known: list[str], model: str, keys_by_model: Mapping[str, Iterable[str]]) -> str:
    owners = [name for name, keys in keys_by_model.items() if name != model and key in keys]
    near = _nearest(key, [name for name in known if name not in WITHOUT_EFFECT])
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    if not owners:
        return f"unknown setting {key!r}{hint or f'; {model} has nothing like it'}"
    more = f" and {len(owners) - 3} more" if len(owners) > 3 else ""
    return f"{key!r} is a setting of {', '.join(owners[:3])}{more}, not of {model}{hint}"


def _nearest(key: str, known: list[str]) -> list[str]:
    """Up to three known settings that resemble a misspelt one: by other programs' names, then words, then letters."""
    folded = {name.lower(): name for name in known}
    word = key.lower().replace("-", "_")
    if word in folded:
        return [folded[word]]
    if elsewhere := [name for name in ELSEWHERE.get(word, ()) if name in known]:
        return elsewhere
    holders = [name for low, name in folded.items() if len(word) >= 4 and word in low.split("_")]
    close = [folded[low] for low in difflib.get_close_matches(word, folded, n=1, cutoff=0.7)]
    return holders[:3] or close
