"""Refuses settings of a method that do not fit together, before any work is done."""

from __future__ import annotations

from recbole_cl.encoder.registry import Abilities
from recbole_cl.errors import UsageError
from recbole_cl.model.encoder_settings import EncoderRecommenderSettings
from recbole_cl.model.reading import TrainingPlan


def refuse_unable_encoder(
    options: EncoderRecommenderSettings, can: Abilities, method: str, needs_attention: bool
) -> None:
    """Refuses an encoder without the abilities that the settings, or the method, require.

    Args:
        options: The settings.
        can: The encoder's abilities.
        method: The method's name, for messages.
        needs_attention: Whether its encoder must be a Transformer.
    """
    name = f"encoder = {options.encoder}"
    if needs_attention and can.encodes_padding:
        raise UsageError(f"{name}: {method} encodes rows without padding; set encoder to transformer")
    if needs_attention and not can.needs_heads:
        raise UsageError(f"{name}: {method} needs attention; set encoder to transformer")
    if options.train_form == "sequence" and not can.is_causal:
        raise UsageError(f"{name}: it attends to later items, which are targets; set train_form to prefix")
    if can.needs_heads and options.hidden_size % options.n_heads:
        raise UsageError(f"hidden_size = {options.hidden_size}: expected a multiple of n_heads = {options.n_heads}")
    if options.compile_encoder and not can.can_be_compiled:
        raise UsageError(f"compile_encoder = True: {name} can't be; set it to False")
    if options.compile_encoder and options.attend_padding:
        raise UsageError("compile_encoder = True: attend_padding draws numbers that can't be; set one to False")


def refuse_long_first_stage(key: str, stage: int, plan: TrainingPlan) -> None:
    """Refuses a number of pre-training epochs after which no epoch is validated.

    Early stopping could then choose only among weights of the first stage.

    Args:
        key: The setting that holds the number, for messages.
        stage: The number.
        plan: Epochs of the whole run, and every how many are validated.
    """
    epochs = plan.epochs
    if not stage or not epochs:
        return
    step = min(plan.eval_step, epochs)  # RecBole validates the last epoch if no other
    if stage >= epochs:
        raise UsageError(
            f"{key} = {stage}: expected fewer than epochs = {epochs}, which counts them too; lower it or raise that"
        )
    if epochs // step * step <= stage:
        raise UsageError(
            f"{key} = {stage}: of the {epochs} epochs none after it is validated with eval_step = {step}; lower "
            "eval_step or raise epochs"
        )


def groups_by_length(options: EncoderRecommenderSettings) -> bool:
    """Whether to encode rows of similar length together; refused if asked for with a compiled encoder."""
    grouping, compiled = options.length_grouping, options.compile_encoder
    if compiled and grouping is True:
        raise UsageError("compile_encoder = True: groups change with every batch; set length_grouping to auto or False")
    return not compiled if grouping == "auto" else bool(grouping)
