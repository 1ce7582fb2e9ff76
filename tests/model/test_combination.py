"""The free combination: presets give the losses of other methods, parts go together, no nonsense is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from recbole_cl.config.models import model_class
from recbole_cl.config.presets import model_defaults, parse_yaml, props_dir, read_settings
from recbole_cl.errors import UsageError
from recbole_cl.runs.build import build_config, build_data, build_loader
from recbole_cl.runs.build import build_model as model_of_run
from recbole_cl.testing.toy import TINY, write_cycle
from tests.model.build import build_model

BOTH_FORMS = pytest.mark.parametrize("form", ["prefix", "sequence"])
AUGMENTED = ["augmented_1", "augmented_2"]
PRESETS = sorted((props_dir() / "preset").glob("*.yaml"))
TERMS = {  # of the methods, and what the combination calls them
    "unsupervised": "dropout",
    "supervised": "same_target",
    "contrastive": "augmented_2",
    "coarse": "same_target",
    "instance": "augmented_2",
    "fine": "intent",
    "meta": "learnt",
}
CASES = [  # method, form of training, its settings, and those of the combination beside its preset
    *((path.stem, form, "", "") for path in PRESETS for form in ("prefix", "sequence")),
    ("DuoRec", "sequence", "contrast: un", "views: [plain, dropout]"),
    (
        "DuoRec",
        "sequence",
        "contrast: su, mask_same_target: True",
        "views: [plain, same_target], negatives: other_targets",
    ),
    ("DuoRec", "prefix", "contrast: us", "views: [plain, dropout, same_target]"),
    (
        "DuoRec",
        "sequence",
        "contrast: us, right_aligned: True",
        "views: [plain, dropout, same_target], right_aligned: True",
    ),
    (
        "AdaptiveRec",
        "sequence",
        "contrast: augment, similarity_threshold: row",
        "views: [augmented_1, augmented_2], similarity_threshold: row",
    ),
    (
        "ICSRec",
        "sequence",
        "mask_false_negatives: False, partner: uniform",
        "negatives: all, mask_same_intent: False, partner: uniform",
    ),
    ("ICSRec", "prefix", "coarse_weight: 0.0", "contrastive_weight: 0.0"),
    ("CL4SRec", "sequence", "operators: [crop]", "operators: [crop], distinct_operators: False"),
    ("MCLRec", "sequence", "joint: True, contrastive_weight: 0.0", "joint: True, contrastive_weight: 0.0"),
    (
        "CoSeRec",
        "sequence",
        "pooling: mean, rounding: {crop: ceil}",
        "pooling: mean, operator_options: {crop: {span: before_last, rounding: ceil}, reorder: {span: before_last}}",
    ),
]


@pytest.fixture(scope="module")
def cycle(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return TINY | write_cycle(tmp_path_factory.mktemp("cycle")) | {"train_batch_size": 64}


def assemble(name: str, settings: dict[str, Any], *files: Path) -> tuple[Any, Any]:
    config = build_config(name, "cycle", files, settings)
    train = build_data(config)[1][0]
    model = model_of_run(config, train)
    return model.double(), next(iter(build_loader(config, model, train)))


def flow(settings: str) -> dict[str, Any]:
    parsed: dict[str, Any] = parse_yaml(f"{{{settings}}}")
    return parsed


def as_in(model: Any, other: Any) -> dict[str, Tensor]:
    """The other's weights, without the row of a mask token that the model lacks."""
    state = model.state_dict()
    assert {*state} == {*other.state_dict()}
    return {key: value[: len(state[key])] if value.dim() else value for key, value in other.state_dict().items()}


@pytest.mark.parametrize(("method", "form", "its", "ours"), CASES, ids=[" ".join(it[:3]) for it in CASES])
def test_a_preset_gives_the_losses_of_the_method(
    method: str, form: str, its: str, ours: str, cycle: dict[str, Any]
) -> None:
    """With dropout, by the same seed, over two epochs, in every step; but for CoSeRec from the same initial weights."""
    shared = cycle | {"train_form": form} | ({"n_intents": 4} if method in ("ICLRec", "ICSRec") else {})
    theirs, batch = assemble(method, shared | flow(its))
    model, own_batch = assemble("Contrastive", shared | flow(ours), props_dir() / "preset" / f"{method}.yaml")
    if method == "CoSeRec":
        model.load_state_dict(as_in(model, theirs))
    assert all(torch.equal(value, model.state_dict()[key]) for key, value in as_in(model, theirs).items())
    for epoch in range(2):
        expected: list[dict[str, float]] = []
        terms: list[dict[str, float]] = []
        for it, rows, steps in ((theirs, batch, expected), (model, own_batch, terms)):
            it.start_epoch(epoch)
            steps += [
                {TERMS.get(key, key): value.item() for key, value in s().items()} for s in it.optimiser_steps(rows)
            ]
        assert terms == expected
        figures, own_figures = theirs.end_epoch(epoch), model.end_epoch(epoch)
        assert figures == pytest.approx({key: own_figures[key] for key in figures}, abs=1e-12)


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_a_preset_holds_all_that_the_method_sets(path: Path) -> None:
    """What is called the same in both has the same value: the protocol and the form of training, too."""
    own, theirs = (model_defaults(model_class(name)) for name in ("Contrastive", path.stem))
    preset = read_settings(path)
    assert preset.keys() <= own.keys()
    differing = {key for key, value in theirs.items() if key in own and value != (own | preset)[key]}
    assert differing <= {"operator_options"}  # what the method fixes in its code


LEARNED = {"negatives": "thresholded", "similarity": "cosine", "similarity_threshold": "learned"}
FREE = [
    (
        "views: [augmented_2, plain, same_target], negatives: thresholded, similarity: cosine, "
        "similarity_threshold: learned",
        {"plain", "same_target", "threshold", "intent", "learnt"},
    ),
    (
        "views: [plain, augmented_1], pooling: concat, right_aligned: True, joint: True, mask_fill: padding",
        {"augmented_1", "intent", "learnt"},
    ),
    (
        "views: [same_target, augmented_1, augmented_2], contrastive_weight: 0.0, pooling: mean, intent_of: row, "
        "encoder: ligr, recommendation_loss: gbce, n_negatives: 8",
        {"intent", "learnt"},
    ),
]


@BOTH_FORMS
@pytest.mark.parametrize(("settings", "names"), FREE)
def test_parts_go_together(settings: str, names: set[str], form: str, cycle: dict[str, Any]) -> None:
    """Terms by name; together the steps of two epochs reach every parameter, and each moves what it is to move."""
    more = {"train_form": form, "intent_weight": 0.1, "learnt_weight": 0.1, "n_intents": 4}
    model, batch = assemble("Contrastive", cycle | more | flow(settings))
    for epoch in range(2):  # the threshold begins with the second
        model.start_epoch(epoch)
        for number, step in enumerate(model.optimiser_steps(batch)):
            terms = step()
            assert {*terms} == ({"augmenters"} if number == 1 else {"recommendation", *names})
            torch.stack([*terms.values()]).sum().backward()
        assert number == (0 if model.options.joint else 2)
        model.end_epoch(epoch)
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None and bool(parameter.grad.isfinite().all()), key
        assert "bias" in key or parameter.grad.abs().sum() > 0, key


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"views": ["plain"]}, "views = .*plain"),
        ({"views": ["plain", "plain"]}, "views = .*none twice"),
        ({"views": ["plain", "crop"]}, "views.*crop.*one of augmented_1, augmented_2, plain, dropout, same_target"),
        ({"pooling": "concat"}, "pooling = concat: .* set right_aligned to True"),
        (LEARNED | {"pooling": "mean"}, "pooling = mean: a learned threshold .* set pooling to last"),
        (LEARNED | {"similarity": "dot"}, "similarity = dot: a learned threshold"),
        (LEARNED | {"complement": "gru", "complement_form": "loss"}, "complement_form = loss"),
        ({"complement": "gru", "contrastive_weight": 0.0}, "complement = gru: nothing compares"),
        ({"operators": ["mask"]}, "distinct_operators = True: operators = .*mask.* set it to False"),
        ({"short_length": 2, "short_operators": ["insert"]}, "short_operators: .*insert.* are not among"),
        ({"learnt_weight": 0.1, "hidden_size": 2}, "hidden_size = 2: learnt augmenters need 4"),
        ({"encoder": "bsarec", "train_form": "sequence"}, "encoder = bsarec: it attends to later items"),
    ],
)
def test_what_has_no_meaning_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        build_model("Contrastive", **settings)
    assert "\n" not in str(caught.value)


def test_without_weights_nothing_is_drawn() -> None:
    model = build_model("Contrastive", views=AUGMENTED, contrastive_weight=0.0)
    assert not model.batch_hooks and not model.augments and not model.has_mask_token
