"""The settings that all methods share."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from recbole_cl.batch import ANCHOR_DRAWS
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import Depth, MethodSettings, Named, Natural, OneOf, Positive, Rate, Share, Size, Width
from recbole_cl.encoder.registry import ENCODERS
from recbole_cl.model.recommendation import RECOMMENDATION_LOSSES


class EncoderRecommenderSettings(MethodSettings):
    """Shared settings of all methods: encoder, training form and recommendation loss."""

    encoder: Annotated[str, Named(ENCODERS)]
    n_layers: Depth
    n_heads: Width = Field(description="divides hidden_size")
    hidden_size: Width = Field(description="D")
    inner_size: Width
    hidden_dropout_prob: Rate
    attn_dropout_prob: Rate
    layer_norm_eps: Positive
    filter_share: Share = Field(description="BSARec's alpha")
    filter_cutoff: Size = Field(description="BSARec's c")
    initializer: Literal["normal", "xavier"]
    initializer_range: Positive
    pretrained_items: str | None
    freeze_pretrained_items: bool
    scale_items: bool
    attend_padding: bool
    train_form: Literal["prefix", "sequence"]
    anchors_per_row: Natural = Field(description="K")
    anchor_draw: Annotated[str, OneOf(*ANCHOR_DRAWS)]
    recommendation_loss: Annotated[str, Named(RECOMMENDATION_LOSSES)]
    n_negatives: Size
    popularity_exponent: Share
    gbce_calibration: Share = Field(description="t")
    exclude_row_items: bool
    label_smoothing: Rate
    history_penalty: bool
    length_grouping: Literal["auto"] | bool
    compile_encoder: bool
    right_aligned: bool

    own_papers: ClassVar[Papers] = said(
        "SASRec, the authors' code and its commands",
        n_layers=2,
        n_heads=1,
        hidden_size=50,
        hidden_dropout_prob=ByDataset(ML_1M=0.2, others=0.5),
        attn_dropout_prob=ByDataset(ML_1M=0.2, others=0.5),
        MAX_ITEM_LIST_LENGTH=ByDataset(ML_1M=200, others=50),
        recommendation_loss="bce",
        train_form="sequence",
        train_batch_size=128,
        learner="adam",
        learning_rate=0.001,
    )
