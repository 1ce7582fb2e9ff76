"""Settings that all models share. Neither torch nor RecBole is imported: misspelt flags are reported at once."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
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
    Size,
    Text,
    Width,
    table,
)

_END = r"\s*[-+]?(inf|\d+\.?\d*(e[-+]?\d+)?)\s*"
INTERVALS = Pattern(rf"(?i)[\[(]{_END},{_END}[\])](;\s*[\[(]{_END},{_END}[\])])*", 'an interval such as "[5,inf)"')

Digits = Annotated[int, Ge(0), Le(16)]
RANKED_AMONG = r"full|(uni|pop)[1-9]\d{0,5}"
Among = Annotated[
    str,
    Pattern(
        RANKED_AMONG,
        "full, or uni100, pop100 and the like, whose figures are not comparable (labeled needs labels, which "
        "interactions do not have here)",
    ),
]
Interval = Annotated[str, INTERVALS]
Level = Annotated[str, OneOf("debug", "info", "warning", "error", "critical", ignore_case=True)]
Names = Annotated[list[Text], MinLen(1)]
Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
Columns = Literal["*"] | Names
AnyMapping = dict[Any, Any]


class RunKeys(Settings):
    """Where and how a run is computed, shown and kept."""

    model: Text
    dataset: Text
    seed: Seed
    reproducibility: bool
    float32_precision: Literal["highest", "high"]
    state: Level | None
    gpu_id: Annotated[int, Ge(-1)] | str | Annotated[list[Natural], MinLen(1)] | None
    use_gpu: bool
    data_path: Text
    checkpoint_dir: Text
    resume: Text | None
    init_from: Text | None
    show_progress: bool
    recbole_defaults: bool
    log_wandb: bool
    wandb_project: Text


@table
class Clipping(TypedDict, total=False):
    """Arguments of torch's ``clip_grad_norm_``."""

    max_norm: Required[Positive]
    norm_type: Positive
    error_if_nonfinite: bool
    foreach: bool | None


class TrainingKeys(Settings):
    """How a model is trained."""

    epochs: Natural
    train_batch_size: Size
    shuffle: bool
    learner: Annotated[str, OneOf("adam", "adamw", "sgd", "adagrad", "rmsprop", ignore_case=True)]
    learning_rate: Positive
    learning_rate_schedule: Literal["constant", "cosine"]
    warmup_share: Share
    floor_share: Share
    weight_decay: NotNegative
    ema_decay: Rate
    clip_grad_norm: Clipping | None
    eval_step: Count
    stopping_step: Natural
    loss_decimal_place: Digits
    enable_amp: bool


@table
class Negatives(TypedDict, total=False):
    """RecBole's ``train_neg_sample_args``: the negatives that it samples for its own models."""

    distribution: Required[Literal["uniform", "popularity", "none"]]
    sample_num: Size | Literal["none"]
    alpha: NotNegative | Literal["none"]
    dynamic: bool
    candidate_num: Natural


class BatchKeys(Settings):
    """What RecBole adds to the batches and losses of its own models; our methods sample for themselves."""

    require_pow: bool
    train_neg_sample_args: Negatives | None
    transform: Literal["mask_itemseq", "inverse_itemseq", "crop_itemseq", "reorder_itemseq"] | None


@table
class Split(TypedDict, total=False):
    """Which interactions are held out for validation and test: each user's last ones, or the last fraction of them."""

    LS: Literal["valid_and_test", "valid_only", "test_only"]
    RS: Annotated[list[NotNegative], MinLen(3), MaxLen(3)]


@table
class Mode(TypedDict, total=False):
    """The number of items that targets are ranked among, for each split."""

    valid: Among
    test: Among


@table
class EvaluationArguments(TypedDict, total=False):
    """RecBole's ``eval_args``."""

    split: Split
    group_by: Literal["user", "none"] | None
    order: Literal["TO"]
    mode: Among | Mode


class EvaluationKeys(Settings):
    """How a model is validated and tested."""

    eval_args: EvaluationArguments
    train_on: Literal["train", "all"]
    repeatable: Literal[True]
    metrics: Text | Names
    topk: Count | Annotated[list[Count], MinLen(1)]
    valid_metric: Text
    metric_decimal_place: Digits
    tail_ratio: Positive
    eval_batch_size: Size
    eval_history: Literal["keep", "remove"]


class DataKeys(Settings):
    """How atomic files are read, filtered and cut into rows."""

    USER_ID_FIELD: Text
    ITEM_ID_FIELD: Text
    TIME_FIELD: Text
    LIST_SUFFIX: Text
    ITEM_LIST_LENGTH_FIELD: Text
    field_separator: Annotated[str, Pattern(r"(?s).", "one character")]
    seq_separator: Annotated[str, Pattern(r"(?s).+", "the separating characters")]
    encoding: Annotated[str, Encoding()]
    benchmark_filename: Annotated[list[Text], MinLen(2), MaxLen(3)] | None
    load_col: dict[str, Columns] | None
    unload_col: dict[str, Columns] | None
    unused_col: dict[str, Names] | None
    val_interval: AnyMapping | None
    user_inter_num_interval: Interval | None
    item_inter_num_interval: Interval | None
    MAX_ITEM_LIST_LENGTH: Width  # attention grows with its square
    filter_inter_by_user_or_item: bool
    only_seen_items: bool
    additional_feat_suffix: Text | Names | None
    alias_of_item_id: Names | None
    preload_weight: dict[str, Text] | None
    train_users_share: Annotated[float, Gt(0), Le(1)]
    test_noise_share: Share
    rm_dup_inter: Literal["first", "last"] | None
    normalize_all: bool | None
    normalize_field: Names | None
    numerical_features: list[Text]
    RATING_FIELD: Text


class CommonSettings(DataKeys, EvaluationKeys, BatchKeys, TrainingKeys, RunKeys):
    """The settings of every run, whatever its model."""


class Unread(NamedTuple):
    """A key of RecBole's that nothing in this package reads.

    Attributes:
        idle: The value with which the key has no effect: RecBole's own default.
        why: Why other values have no effect.
    """

    idle: Any
    why: str


_NO_FEATURES = "features, which only some of RecBole's models read, are used unchanged"
_THEIRS_ALONE = "only some of RecBole's own models read features and ratings"
_NO_LABELS = "interactions have no labels here: every one is a positive"
_NO_NEGATIVES = "the loader makes no negatives; a loss that needs some draws its own (recommendation_loss)"
_NO_GRAPH = "no model here reads a knowledge graph"
_ONE_INDEX = "users and items have separate indices"
_READ_ANEW = "data are read from the atomic files by every run"

# Keys that RecBole's own models read, but none of our methods.
OF_RECBOLES: dict[str, Unread] = {
    "train_neg_sample_args": Unread(None, _NO_NEGATIVES),
    "transform": Unread(None, "views are drawn by the methods themselves"),
    "require_pow": Unread(False, "only RecBole's LightGCN and SimpleX have its EmbLoss"),
    "numerical_features": Unread([], _THEIRS_ALONE),
    "RATING_FIELD": Unread("rating", _THEIRS_ALONE),
}

WITHOUT_EFFECT: dict[str, Unread] = {
    # run and training
    "worker": Unread(0, "batches are made by the training process itself, from arrays"),
    "save_dataset": Unread(False, _READ_ANEW),
    "save_dataloaders": Unread(False, _READ_ANEW),
    "dataset_save_path": Unread(None, _READ_ANEW),
    "dataloaders_save_path": Unread(None, _READ_ANEW),
    "enable_scaler": Unread(False, "bfloat16, which enable_amp means, needs no scaling"),
    "valid_metric_bigger": Unread(True, "valid_metric tells whether more is better"),
    # columns and features
    "seq_len": Unread(None, _NO_FEATURES),
    "discretization": Unread(None, _NO_FEATURES),
    "threshold": Unread(None, _NO_LABELS),
    "LABEL_FIELD": Unread("label", _NO_LABELS),
    "NEG_PREFIX": Unread("neg_", _NO_NEGATIVES),
    "POSITION_FIELD": Unread("position_id", "models count positions themselves"),
    "alias_of_user_id": Unread(None, _ONE_INDEX),
    # knowledge graphs
    "alias_of_entity_id": Unread(None, _NO_GRAPH),
    "alias_of_relation_id": Unread(None, _NO_GRAPH),
    "HEAD_ENTITY_ID_FIELD": Unread("head_id", _NO_GRAPH),
    "TAIL_ENTITY_ID_FIELD": Unread("tail_id", _NO_GRAPH),
    "RELATION_ID_FIELD": Unread("relation_id", _NO_GRAPH),
    "ENTITY_ID_FIELD": Unread("entity_id", _NO_GRAPH),
    "kg_reverse_r": Unread(False, _NO_GRAPH),
    "entity_kg_num_interval": Unread("[0,inf)", _NO_GRAPH),
    "relation_kg_num_interval": Unread("[0,inf)", _NO_GRAPH),
}

COMMON = frozenset({*CommonSettings.model_fields, *WITHOUT_EFFECT})

# Settings that determine the users and items, and which items are the targets. Runs that differ here aren't comparable.
DECIDES_TARGETS = frozenset(
    {
        "benchmark_filename",
        "eval_args",
        "filter_inter_by_user_or_item",
        "item_inter_num_interval",
        "only_seen_items",
        "rm_dup_inter",
        "user_inter_num_interval",
        "val_interval",
    }
)

# What YAML in a dataset's folder may set.
DATA_KEYS = frozenset({*DataKeys.model_fields, *WITHOUT_EFFECT})
