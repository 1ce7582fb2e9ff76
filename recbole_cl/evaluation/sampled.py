"""Ranking among sampled items, as in some papers: ``uni100``, ``pop100`` and the like.

Letters: U evaluated rows, B of a block, N items (padding row 0 included), S sampled items.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from recbole_cl.errors import UsageError
from recbole_cl.evaluation.ranks import ROWS_PER_BLOCK, EvaluationRows


def among_sampled(split: EvaluationRows, mode: str, longest: int, seed: int) -> EvaluationRows:
    """Ranks each target only among sampled items, drawn once per run, without repetition and without the target.

    RecBole draws with replacement, so that it may have fewer distinct candidates. As in RecBole, items of a row's
    history may be drawn; the protocol decides whether they compete.

    Reference:
        Krichene and Rendle, "On Sampled Metrics for Item Recommendation", KDD 2020, explains why not to use it.

    Args:
        split: Its rows, ranked among all items.
        mode: ``uniS``: all items are equally likely; ``popS``: in proportion to interactions in all parts of the data.
        longest: Length of the longest list that is measured.
        seed: Seed of the draws; one seed gives the same draws for every model.

    Returns:
        The split, with S candidates for each row.

    Raises:
        UsageError: If there are fewer items than that, or the measured lists are longer.
    """
    kind, size = mode[:3], int(mode[3:])
    popularity = torch.bincount(split.rows.items, minlength=split.n_items).double()
    weights = popularity if kind == "pop" else torch.ones_like(popularity)
    weights[0] = 0
    most = int((weights > 0).sum()) - 1
    if size > most:
        raise UsageError(f"eval_args.mode = {mode}: there are {most} items beside the target; sample fewer")
    if longest > size:
        raise UsageError(f"topk = {longest}: each target is ranked among {size} items ({mode}); lower topk")
    generator = torch.Generator().manual_seed(seed)
    target = split.rows.target[split.order].cpu()
    drawn = [_draw(weights.cpu(), part, size, generator) for part in target.split(ROWS_PER_BLOCK)]
    candidates = torch.cat(drawn).to(split.order.device)
    drawn_pairs = torch.arange(len(candidates), device=candidates.device).unsqueeze(1) * split.n_items + candidates
    row, item = split.history
    removed = torch.bincount(row[torch.isin(row * split.n_items + item, drawn_pairs)], minlength=len(candidates))
    return replace(split, candidates=candidates, removed=removed)


def _draw(weights: Tensor, target: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Draws without replacement by the Gumbel-top-k trick (Kool et al., ICML 2019): [B] targets -> [B, S]."""
    uniform = torch.rand(len(target), len(weights), dtype=torch.float64, generator=generator)
    keys = weights.log() - (-uniform.log()).log()
    return keys.scatter_(1, target.unsqueeze(1), -torch.inf).topk(size).indices
