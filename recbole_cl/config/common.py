"""The settings that all models share, typed. Neither torch nor RecBole is imported: a misspelt flag is told at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen
from typing_extensions import Required, TypedDict

from recbole_cl.config.schema import (
    Count,
    Encoding,
    Natural,
    NotNegative,
    OneOf,
    Pattern,
    Positive,
    Rate,
    Settings,
    Share,
    Text,
    table,
)

_END = r"\s*[-+]?(inf|\d+\.?\d*(e[-+]?\d+)?)\s*"
INTERVALS = Pattern(rf"(?i)[\[(]{_END},{_END}[\])](;\s*[\[(]{_END},{_END}[\])])*", 'an interval such as "[5,inf)"')

Digits = Annotated[int, Ge(0), Le(16)]
Full = Literal["full"]  # targets are ranked among all items, never among sampled ones
Interval = Annotated[str, INTERVALS]
Level = Annotated[str, OneOf("debug", "info", "warning", "error", "critical", ignore_case=True)]
Names = Annotated[list[Text], MinLen(1)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Columns = Literal["*"] | Names
AnyMapping = dict[Any, Any]


class RunSettings(Settings):
    """Where and how a run is computed, shown and kept."""

    model: Text
    dataset: Text
    seed: Seed
    reproducibility: bool
    state: Level | None
    gpu_id: Natural | str | Annotated[list[Natural], MinLen(1)] | None
    use_gpu: bool
    data_path: Text
    checkpoint_dir: Text
    resume: Text | None
    show_progress: bool
    log_wandb: bool
    wandb_project: Text


@table
class Clipping(TypedDict, total=False):
    """Arguments of torch's ``clip_grad_norm_``."""

    max_norm: Required[Positive]
    norm_type: Positive
    error_if_nonfinite: bool
    foreach: bool | None


@table
class NegativeSampling(TypedDict, total=False):
    """RecBole's negatives in the batches."""

    distribution: Literal["uniform", "popularity", "none"]
    sample_num: Count | Literal["none"]
    alpha: float | Literal["none"]
    dynamic: bool
    candidate_num: Natural


class TrainingSettings(Settings):
    """How a model is trained."""

    epochs: Natural
    train_batch_size: Count
    shuffle: bool
    learner: Annotated[str, OneOf("adam", "adamw", "sgd", "adagrad", "rmsprop", ignore_case=True)]
    learning_rate: Positive
    learning_rate_schedule: Literal["constant", "cosine"]
    warmup_share: Share
    floor_share: Share
    weight_decay: NotNegative
    clip_grad_norm: Clipping | None
    train_neg_sample_args: NegativeSampling | None
    eval_step: Count
    stopping_step: Count
    loss_decimal_place: Digits
    enable_amp: bool


@table
class Split(TypedDict, total=False):
    """Leave one out; neither a random split nor one by shares makes sense of sequences here."""

    LS: Literal["valid_and_test"]


@table
class Mode(TypedDict, total=False):
    """Among how many items targets are ranked, by split."""

    valid: Full
    test: Full


@table
class EvaluationArguments(TypedDict, total=False):
    """RecBole's ``eval_args``."""

    split: Split
    group_by: Literal["user", "none"] | None
    order: Literal["TO"]
    mode: Full | Mode


class EvaluationSettings(Settings):
    """How a model is validated and tested."""

    eval_args: EvaluationArguments
    repeatable: Literal[True]
    metrics: Text | Names
    topk: Count | Annotated[list[Count], MinLen(1)]
    valid_metric: Text
    metric_decimal_place: Digits
    tail_ratio: Positive
    eval_batch_size: Count
    eval_history: Literal["keep", "remove"]


class DataSettings(Settings):
    """How atomic files are read, filtered and cut into rows."""

    USER_ID_FIELD: Text
    ITEM_ID_FIELD: Text
    TIME_FIELD: Text
    RATING_FIELD: Text
    LIST_SUFFIX: Text
    ITEM_LIST_LENGTH_FIELD: Text
    field_separator: Annotated[str, Pattern(r"(?s).", "one character")]
    seq_separator: Annotated[str, Pattern(r"(?s).+", "the separating characters")]
    encoding: Annotated[str, Encoding()]
    load_col: dict[str, Columns] | None
    unload_col: dict[str, Columns] | None
    unused_col: dict[str, Columns] | None
    val_interval: AnyMapping | None
    discretization: AnyMapping | None
    user_inter_num_interval: Interval | None
    item_inter_num_interval: Interval | None
    MAX_ITEM_LIST_LENGTH: Count
    filter_inter_by_user_or_item: bool
    rm_dup_inter: Literal["first", "last"] | None
    normalize_all: bool | None
    normalize_field: Names | None


class CommonSettings(DataSettings, EvaluationSettings, TrainingSettings, RunSettings):
    """All of them: what every run may be told, whatever its model."""


class RecBoleModelSettings(Settings):
    """Keys that several of RecBole's models have; which of them a model has, its YAML file in RecBole says."""

    n_layers: Count
    num_layers: Count
    n_heads: Count
    hidden_size: Count
    inner_size: Count
    embedding_size: Count
    hidden_dropout_prob: Rate
    attn_dropout_prob: Rate
    dropout_prob: Rate
    layer_norm_eps: Positive
    initializer_range: Positive
    temperature: Positive
    loss_type: Literal["CE", "BPR"]


# Keys of RecBole's that nothing here reads, with the value under which that makes no difference: RecBole's own.
WITHOUT_EFFECT: dict[str, Any] = {
    # run and training
    "worker": 0,
    "save_dataset": False,
    "save_dataloaders": False,
    "dataset_save_path": None,
    "dataloaders_save_path": None,
    "enable_scaler": False,
    "require_pow": False,
    "transform": None,
    "valid_metric_bigger": True,
    # columns and features
    "seq_len": None,
    "numerical_features": [],
    "threshold": None,
    "LABEL_FIELD": "label",
    "NEG_PREFIX": "neg_",
    "POSITION_FIELD": "position_id",
    "additional_feat_suffix": None,
    "preload_weight": None,
    "benchmark_filename": None,
    **dict.fromkeys((f"alias_of_{what}_id" for what in ("user", "item", "entity", "relation")), None),
    # knowledge graphs
    "HEAD_ENTITY_ID_FIELD": "head_id",
    "TAIL_ENTITY_ID_FIELD": "tail_id",
    "RELATION_ID_FIELD": "relation_id",
    "ENTITY_ID_FIELD": "entity_id",
    "kg_reverse_r": False,
    "entity_kg_num_interval": "[0,inf)",
    "relation_kg_num_interval": "[0,inf)",
}

COMMON = frozenset({*CommonSettings.model_fields, *WITHOUT_EFFECT})
