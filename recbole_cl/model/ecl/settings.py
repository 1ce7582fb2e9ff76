"""Settings of ECL-SR."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Gt, Le
from pydantic import Field

from recbole_cl.config.schema import Count, Natural, NotNegative, OneOf, Positive
from recbole_cl.model.contrastive import ContrastiveSettings
from recbole_cl.model.ecl.alterations import ALTERATIONS, INSERT_FROM
from recbole_cl.model.ecl.discriminator import CONDITIONS

MASKED = "masked_substitution"


class ECLSRSettings(ContrastiveSettings):
    """Settings of ECL-SR, with the paper's symbols."""

    contrastive_weight: NotNegative = Field(description="lambda_1")
    temperature: Positive = Field(description="tau")
    window_size: Count = Field(description="k")
    symmetric_contrast: bool
    mild_augmentation: Literal["dropout", "norm", "perturb"]
    perturbation_norm: Positive = Field(description="epsilon")
    altered_views: Literal["none", "positive", "negative"]
    replaced_item_weight: NotNegative = Field(description="lambda_3")
    condition: Annotated[str, OneOf(*CONDITIONS)]
    bidirectional_discriminator: bool
    share_parameters: Literal["all", "embeddings"]
    invasive_augmentation: Annotated[str, OneOf(MASKED, *ALTERATIONS)]
    insert_from: Annotated[str, OneOf(*INSERT_FROM)]
    mask_strategy: Literal["sample", "prob"]
    mask_ratio: Annotated[float, Gt(0), Le(1)] = Field(description="gamma")
    generator_weight: NotNegative = Field(description="lambda_2")
    generator_n_layers: Count
    generation: Literal["argmax", "sample"]
    generator_pretraining_epochs: Natural
    freeze_generator_epoch: Count | None
    finetune_after_stop: bool
    count_padding_targets: bool
    count_padding_states: bool
