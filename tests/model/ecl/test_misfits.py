"""Settings of ECL-SR that do not go together, one rule at a time."""

from __future__ import annotations

from typing import Any

import pytest

from recbole_cl.config.presets import model_defaults
from recbole_cl.config.settings import method_settings
from recbole_cl.errors import UsageError
from recbole_cl.model.ecl.misfits import refuse_ecl_misfits
from recbole_cl.model.eclsr import ECLSR


def refuse(n_items: int = 100, max_length: int = 50, generates: bool = True, **settings: Any) -> None:
    refuse_ecl_misfits(method_settings(ECLSR, model_defaults(ECLSR) | settings), generates, n_items, max_length)


@pytest.mark.parametrize(
    ("settings", "remedied", "words"),
    [
        (
            {"altered_views": "negative", "contrastive_weight": 0.0},
            {"contrastive_weight": 0.1},
            "altered_views = negative: .* contrastive_weight above 0",
        ),
        (
            {"count_padding_targets": True, "right_aligned": False},
            {"right_aligned": True},
            "count_padding_targets = True: .* set right_aligned to True",
        ),
        (
            {"count_padding_states": True, "right_aligned": False},
            {"right_aligned": True},
            "count_padding_states = True: .* set right_aligned to True",
        ),
        (
            {"count_padding_states": True, "contrastive_weight": 0.0},
            {"contrastive_weight": 0.1},
            "count_padding_states = True: .* contrastive_weight above 0",
        ),
        (
            {"count_padding_targets": True, "train_form": "prefix"},
            {"train_form": "sequence"},
            "count_padding_targets = True: .* set train_form to sequence",
        ),
        (
            {"count_padding_targets": True, "recommendation_loss": "bpr"},
            {"recommendation_loss": "ce"},
            "count_padding_targets = True: set recommendation_loss to chunked_ce",
        ),
        (
            {"invasive_augmentation": "substitution", "n_items": 50},
            {"n_items": 51},
            "invasive_augmentation = substitution: a row of 50 .* none of 50 items .* lower MAX_ITEM_LIST_LENGTH",
        ),
        (
            {"generator_pretraining_epochs": 2, "freeze_generator_epoch": 1},
            {"freeze_generator_epoch": 2},
            "generator_pretraining_epochs = 2: .* freeze_generator_epoch ~ or at least 2",
        ),
        (
            {"generator_pretraining_epochs": 2, "generator_weight": 0.0},
            {"generator_weight": 0.1},
            "generator_pretraining_epochs = 2: .* generator_weight above 0",
        ),
        (
            {"generator_pretraining_epochs": 2, "generates": False},
            {"generates": True},
            "generator_pretraining_epochs = 2: needs masked_substitution",
        ),
    ],
)
def test_a_misfit_is_refused_and_its_remedy_helps(
    settings: dict[str, Any], remedied: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=f"^{words}") as caught:
        refuse(**settings)
    assert "\n" not in str(caught.value)
    refuse(**settings | remedied)


def test_only_what_brings_in_other_items_needs_some() -> None:
    for how in ("masked_substitution", "delete", "crop", "reorder"):
        refuse(n_items=50, invasive_augmentation=how)
    refuse(n_items=50, invasive_augmentation="insert", insert_from="other_rows")
