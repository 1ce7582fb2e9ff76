"""A trained model as an ONNX file, for onnxruntime in any language.

Letters: B rows, L columns, N items (padding row 0 included), K list length.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from recbole_cl.errors import UsageError
from recbole_cl.serving.scorer import empty_rows, on_cpu
from recbole_cl.serving.top_items import refuse_wrong_k
from recbole_cl.writing import atomic_writer

if TYPE_CHECKING:
    from recbole_cl.serving.loaded import LoadedRun


class _Scores(nn.Module):
    """Scores of all items, or the best K of them, for rows of full width."""

    def __init__(self, model: Any, k: int | None) -> None:
        super().__init__()
        self.model, self.k = model, k

    def forward(self, item_seq: Tensor, length: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        scores = self.model.score_rows(self.model(item_seq, length), item_seq, 0, self.model.n_items)
        padding = torch.arange(scores.shape[1]) == 0
        scores = scores.masked_fill(padding, -torch.inf)
        if self.k is None:
            return scores
        best = scores.topk(self.k)
        return best.indices, best.values


def write_onnx(run: LoadedRun, file: Path, k: int | None = None) -> None:
    """Writes a model with inputs ``item_seq`` [B, L] and ``length`` [B], both int64, for any number B of rows.

    Args:
        run: A loaded run, whose model is ours.
        file: Ends in .onnx; the tokens of its items, by id from 1, are written to <name>.items.json next to it.
        k: The outputs are ``items`` and ``scores`` of the best K, [B, K]; None: ``scores`` of all items, [B, N], where
            the padding item has -inf. The row's own items are among them.

    Raises:
        UsageError: If the model is not ours, its encoder can't be exported, K is out of range, or a library is missing.
    """
    from recbole_cl.model.base import EncoderRecommender

    model = run.model
    if not isinstance(model, EncoderRecommender):
        raise UsageError(f"{run.config['model']} is RecBole's own model: only ours can be exported")
    if k is not None:
        refuse_wrong_k(k, model.n_items - 1, "items")
    if any(isinstance(part, nn.RNNBase) for part in model.modules()):  # torch can't export packed recurrences
        raise UsageError(f"encoder = {model.options.encoder} can't be exported as ONNX: use --format package")
    if file.suffix != ".onnx":
        raise UsageError(f"{file}: expected a name that ends in .onnx")
    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise UsageError("an ONNX file needs onnx and onnxscript: pip install 'recbole_cl[export]'") from None
    with on_cpu(model):
        content = _exported(model, k).model_proto.SerializeToString()
    file.parent.mkdir(parents=True, exist_ok=True)
    tokens = file.with_suffix(".items.json")
    tokens.unlink(missing_ok=True)  # of an earlier file of this name: never beside another model
    with atomic_writer(file) as raw:
        raw.write(content)
    run.items.save(tokens)


def _exported(model: Any, k: int | None) -> Any:
    rows = torch.export.Dim("rows", min=1)
    grouped, model.group_by_length = model.group_by_length, False  # rows of full width: shapes depend only on B
    try:
        with warnings.catch_warnings(), _quiet("torch.onnx"), _quiet("onnxscript"):  # hides advice to their own authors
            warnings.simplefilter("ignore")
            return torch.onnx.export(
                _Scores(model, k).eval(),
                empty_rows(model.max_seq_length),
                dynamo=True,
                input_names=["item_seq", "length"],
                output_names=["scores"] if k is None else ["items", "scores"],
                dynamic_shapes={"item_seq": {0: rows}, "length": {0: rows}},
                verbose=False,
            )
    finally:
        model.group_by_length = grouped


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
