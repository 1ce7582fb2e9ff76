"""What one process and two do with the same batches; a process of two leaves what it found in a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from recbole_cl.config import models
from recbole_cl.distributed.processes import join
from recbole_cl.distributed.sharing import shared_work, take_from_first
from recbole_cl.testing.contract import without_first_stage
from tests.trainer.parts import assemble

EXACT: dict[str, Any] = {
    "hidden_dropout_prob": 0.0,
    "attn_dropout_prob": 0.0,
    "learner": "sgd",
    "learning_rate": 0.05,
    "train_batch_size": 17,
}
DROPOUT: dict[str, Any] = EXACT | {"hidden_dropout_prob": 0.5, "attn_dropout_prob": 0.5}

Case = tuple[str, dict[str, Any]]
FEW: dict[str, Case] = {
    "SASRec-sequence": ("SASRec", {"train_form": "sequence"}),
    "DuoRec-prefix": ("DuoRec", {"train_form": "prefix"}),
    "CoSeRec-sequence": ("CoSeRec", {"train_form": "sequence", "pooling": "concat", "anchors_per_row": 2}),
}


def all_cases() -> dict[str, Case]:
    """Every model in both forms, every loss and encoder, stages, a complement, and views that change what is shared."""
    forms = ("prefix", "sequence")
    named = {name: without_first_stage(models.model_class(name)) for name in models.own_models()}
    cases = {f"{name}-{form}": (name, {"train_form": form, **own}) for name, own in named.items() for form in forms}
    losses = ("ce", "chunked_ce", "sampled_softmax", "bpr", "bce", "gbce", "uncorrected_softmax")
    more: dict[str, Case] = {
        **{f"loss-{it}": ("SASRec", {"train_form": "sequence", "recommendation_loss": it}) for it in losses},
        "loss-own": ("SASRec", {"recommendation_loss": "tests.distributed.cases.summed_cross_entropy"}),
        "loss-penalised": ("SASRec", {"history_penalty": True, "train_form": "sequence"}),
        "loss-smoothed": ("SASRec", {"recommendation_loss": "chunked_ce", "label_smoothing": 0.1}),
        "loss-outside": ("SASRec", {"recommendation_loss": "bce", "exclude_row_items": True, "train_form": "sequence"}),
        **{f"encoder-{it}": ("CL4SRec", {"encoder": it}) for it in ("gru", "bsarec", "ligr", "query_norm")},
        "clipped": ("DuoRec", {"clip_grad_norm": {"max_norm": 0.1}}),
        "ungrouped": ("CL4SRec", {"length_grouping": False, "train_form": "sequence"}),
        "complement-add": ("DuoRec", {"complement": "transformer", "complement_form": "add"}),
        "complement-loss": ("SRMA", {"complement": "gru", "complement_form": "loss"}),
        "first-stage-coserec": ("CoSeRec", {"pretrain_epochs": 1, "epochs": 3}),
        "first-stage-s3rec": ("S3Rec_MIP", {"pretrain_epochs": 1, "epochs": 3, "train_form": "sequence"}),
        "next-stage": ("ECLSR", {"finetune_after_stop": True, "train_form": "sequence"}),
        **{
            f"threshold-{it}": ("AdaptiveRec", {"similarity_threshold": it})
            for it in ("learned", "batch", "row", "last_epoch")
        },
        "intents": ("ICLRec", {"n_intents": 4, "train_form": "sequence"}),
    }
    return cases | FEW | more


def summed_cross_entropy(hidden: Tensor, item_table: Tensor, target: Tensor) -> Tensor:
    """A loss of somebody's own, which is no mean."""
    return torch.nn.functional.cross_entropy(hidden @ item_table.t(), target, reduction="sum") / 100


def outcome(case: Case, folder: Path) -> dict[str, Tensor]:
    """Losses, gradients and weights of three steps on batches of 17, 3 and 1 rows, and ranks before them."""
    name, settings = case
    torch.manual_seed(3)
    trainer, loader, valid = assemble(folder, name, **(EXACT | settings))
    model: Any = trainer.model
    model.double()
    ranks = trainer.rank(valid)
    found = {f"rank {protocol}": counts.rank for protocol, counts in ranks.items()}
    if settings.get("complement"):
        small: Any = assemble(folder, "SASRec", encoder=settings["complement"], **EXACT, seed=7).trainer.model
        model.complement_with(small.double())
    if settings.get("finetune_after_stop"):
        model.start_next_stage()
    order = torch.randperm(len(loader.rows), generator=torch.Generator().manual_seed(1))
    with shared_work():
        model.start_epoch(0)
        take_from_first(model.buffers())
        model.train()
        for step, index in enumerate(order[:21].split([17, 3, 1])):
            if len(index) == 1 and name == "AdaptiveRec":
                continue  # which takes no batch of one
            terms = trainer.step(loader.batch(index))
            found |= {f"step {step} {key}": value for key, value in terms.items()}
            of = {key: it.grad.clone() for key, it in model.named_parameters() if it.grad is not None}
            found |= {f"step {step} gradient of {key}": value for key, value in of.items()}
        figures = model.end_epoch(0)
    found |= {f"figure {key}": torch.tensor(value) for key, value in figures.items()}
    found |= {f"after {key}": value.clone() for key, value in model.state_dict().items()}
    return found | {"draws": model.generator.get_state(), "order": loader.generator.get_state()}


def main(folder: Path, names: list[str], rank: int, port: int) -> None:
    """Works through cases as one of two processes, which meet at the port."""
    os.environ |= {"WORLD_SIZE": "2", "RANK": str(rank), "LOCAL_RANK": str(rank)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    join(torch.device("cpu"))
    own = folder / str(rank)
    own.mkdir()
    cases = all_cases() | {"dropout": ("DuoRec", DROPOUT)}
    found = {name: outcome(cases[name], own) for name in [*names, "dropout"]}
    torch.save(found, folder / f"found{rank}.pth")
