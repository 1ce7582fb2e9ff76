"""Settings of ECL-SR."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from annotated_types import Gt, Le
from pydantic import Field

from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import Count, Depth, Natural, NotNegative, OneOf, Positive, Size
from recbole_cl.model.contrastive import ContrastiveSettings
from recbole_cl.model.ecl.alterations import ALTERATIONS, INSERT_FROM
from recbole_cl.model.ecl.discriminator import CONDITIONS

MASKED = "masked_substitution"


class ECLSRSettings(ContrastiveSettings):
    """Settings of ECL-SR, with the paper's symbols."""

    contrastive_weight: NotNegative = Field(description="lambda_1")
    temperature: Positive = Field(description="tau")
    window_size: Size = Field(description="k")
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
    generator_n_layers: Depth
    generation: Literal["argmax", "sample"]
    generator_pretraining_epochs: Natural
    freeze_generator_epoch: Count | None
    finetune_after_stop: bool
    count_padding_targets: bool
    count_padding_states: bool

    papers: ClassVar[Papers] = {
        **said(
            "ECL-SR, section 4.1.4",
            contrastive_weight=0.3,
            replaced_item_weight=0.1,
            generator_weight=0.2,
            window_size=ByDataset(Sports=5, Toys=5, Yelp=5, ML_1M=20),
            mask_ratio=ByDataset(Sports=0.2, Toys=0.2, Yelp=0.6, ML_1M=0.2),
            hidden_dropout_prob=ByDataset(Sports=0.5, Toys=0.5, Yelp=0.2, ML_1M=0.2),
            attn_dropout_prob=ByDataset(Sports=0.5, Toys=0.5, Yelp=0.2, ML_1M=0.2),
            n_layers=2,
            n_heads=2,
            hidden_size=256,
            MAX_ITEM_LIST_LENGTH=ByDataset(Sports=50, Toys=50, Yelp=50, ML_1M=200),
            epochs=200,
            train_batch_size=256,
            learner="adam",
            learning_rate=1e-4,
        ),
        **said("ECL-SR, section 4.1.4; 0.1 is best for Toys in 4.5.2", temperature=0.05),
        **said("ECL-SR, section 3.3, as an example", condition="concat"),
        **said("ECL-SR, section 3.4.2", freeze_generator_epoch=10),
        **said("ECL-SR, section 4.3", mild_augmentation="dropout", invasive_augmentation=MASKED),
    }
