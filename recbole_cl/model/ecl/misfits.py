"""Refuses settings of ECL-SR that would have no effect together, or are impossible."""

from __future__ import annotations

from recbole_cl.errors import UsageError
from recbole_cl.model.ecl.settings import ECLSRSettings


def refuse_ecl_misfits(options: ECLSRSettings, generates: bool, n_items: int, max_length: int) -> None:
    """Refuses settings that would have no effect or are impossible.

    Args:
        options: The model's settings.
        generates: Whether there is a generator.
        n_items: Number of items of the catalogue, without padding.
        max_length: Maximum number of items of a row.

    Raises:
        UsageError: If there are any.
    """
    if options.altered_views != "none" and not options.contrastive_weight:
        raise UsageError("altered_views = " + options.altered_views + ": they need a contrastive_weight above 0")
    for key in ("count_padding_targets", "count_padding_states"):
        if getattr(options, key) and not options.right_aligned:
            raise UsageError(f"{key} = True: padding stands before the items, so set right_aligned to True")
    if options.count_padding_states and not options.contrastive_weight:
        raise UsageError("count_padding_states = True: no window is compared without a contrastive_weight above 0")
    if options.count_padding_targets and options.train_form == "prefix":
        raise UsageError("count_padding_targets = True: prefixes have no such targets; set train_form to sequence")
    if options.count_padding_targets and options.recommendation_loss not in ("ce", "chunked_ce"):
        raise UsageError(
            "count_padding_targets = True: set recommendation_loss to chunked_ce, which has a class for it"
        )
    if options.count_padding_targets and options.history_penalty:
        raise UsageError("count_padding_targets = True: padding has no history; set history_penalty to False")
    how = options.invasive_augmentation
    outside_the_row = how == "substitution" or (how == "insert" and options.insert_from == "catalogue")
    if outside_the_row and n_items <= max_length:
        raise UsageError(
            f"invasive_augmentation = {how}: a row of {max_length} may leave none of {n_items} items to draw; lower "
            "MAX_ITEM_LIST_LENGTH or choose another"
        )
    epochs, last = options.generator_pretraining_epochs, options.freeze_generator_epoch
    if epochs and (not generates or not options.generator_weight or (last is not None and last < epochs)):
        raise UsageError(
            f"generator_pretraining_epochs = {epochs}: needs masked_substitution that some term uses, a "
            f"generator_weight above 0 and freeze_generator_epoch ~ or at least {epochs}"
        )
