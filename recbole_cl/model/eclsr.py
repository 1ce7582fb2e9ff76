"""ECL-SR: representations that are invariant to mild augmentation and sensitive to invasive augmentation."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from recbole_cl.augmentation.mild import perturb
from recbole_cl.batch import Batch, Prefixes, Rows
from recbole_cl.config.schema import MethodSettings
from recbole_cl.encoder.registry import EncoderSettings
from recbole_cl.encoder.transformer import TransformerEncoder
from recbole_cl.loss.invariance import invariance_loss
from recbole_cl.loss.replaced_item import replaced_item_loss
from recbole_cl.model.checks import refuse_long_first_stage
from recbole_cl.model.contrast.pairs import ViewPair
from recbole_cl.model.contrastive import ContrastiveRecommender
from recbole_cl.model.ecl.alterations import alter, choose_altered, n_altered
from recbole_cl.model.ecl.discriminator import ConditionalDiscriminator
from recbole_cl.model.ecl.generator import Filled, ItemGenerator
from recbole_cl.model.ecl.misfits import refuse_ecl_misfits
from recbole_cl.model.ecl.replaced_items import Judged, judge
from recbole_cl.model.ecl.settings import MASKED, ECLSRSettings
from recbole_cl.model.ecl.windows import mean_of_last
from recbole_cl.model.left_padding import real_places, targets_with_padding
from recbole_cl.ragged import last_places

_KEEPS_LENGTH = (MASKED, "substitution", "reorder")


class ECLSR(ContrastiveRecommender):
    r"""Equivariant contrastive learning: an encoder, a generator and a conditional discriminator.

    .. math:: L = L_{Rec} + w_c L_{ICL} + w_d L_{RID} + w_g L_{Gen}

    Invariance (ICL) pulls the mean of a row's last k states towards that of a mildly augmented encoding. For
    equivariance (RID), the discriminator finds the items that the generator replaced. Gen trains the generator.

    Reference:
        Zhou, Gao, Xie et al., "Equivariant Contrastive Learning for Sequential Recommendation", RecSys 2023: Eq. 12-13
        (ICL), 14 (Gen), 15 (RID), 16 (the sum), 2-9 and Table 5 (augmentations), Figure 4 (variants).

    Note:
        Where the paper and the authors' code differ, defaults follow the code; ``docs/methods/eclsr.md`` lists the
            differences and explains the second stage. Eq. 13 sums over users, with the other rows' plain views as
            negatives; here, as in the code, it is a mean, with their augmented views. Differences from the code:

        * the discriminator sees no mask tokens;
        * padding is not generated, is no target, and is in no window (``count_padding_targets`` and
            ``count_padding_states`` restore the last two);
        * no target of a long user is lost.
    """

    needs_attention = True
    settings: ClassVar[type[MethodSettings]] = ECLSRSettings
    options: ECLSRSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        refuse_ecl_misfits(self.options, self.has_mask_token, self.n_items - 1, self.max_seq_length)
        refuse_long_first_stage("generator_pretraining_epochs", self.options.generator_pretraining_epochs, self.plan)
        self.item_generator = self._build_generator() if self.has_mask_token else None
        self.discriminator = self._build_discriminator() if self.options.replaced_item_weight else None
        own = self.discriminator is not None and self.options.share_parameters == "embeddings"
        self.discriminator_encoder = self._build_discriminator_encoder() if own else None
        for module in (self.item_generator, self.discriminator, self.discriminator_encoder):
            if module is not None:
                module.apply(self.initialise)
        self.finetuning = False  # whether this is the second stage
        self.other_parameter_name = ["finetuning"]
        self._epoch = 0
        self._recovered = torch.zeros((), dtype=torch.int64, device=self.device)  # masked items of this epoch
        self._masked = 0

    def _build_generator(self) -> ItemGenerator:
        settings = super().encoder_settings._replace(n_layers=self.options.generator_n_layers)
        return ItemGenerator(settings, self.generator, self.options.generation == "sample")

    def _build_discriminator(self) -> ConditionalDiscriminator:
        condition, bidirectional = self.options.condition, self.options.bidirectional_discriminator
        return ConditionalDiscriminator(condition, self.options.hidden_size, bidirectional)

    def _build_discriminator_encoder(self) -> TransformerEncoder:
        longest = self.max_seq_length + (self.options.condition == "attend")
        settings = super().encoder_settings._replace(max_seq_length=longest)
        return TransformerEncoder(settings, self.generator)

    @property
    def encoder_settings(self) -> EncoderSettings:
        """As in the base class; with one more position if it also encodes rows that begin with their condition."""
        lent = self.options.replaced_item_weight > 0 and self.options.share_parameters == "all"
        longest = self.max_seq_length + (lent and self.options.condition == "attend")
        return super().encoder_settings._replace(max_seq_length=longest)

    @property
    def has_mask_token(self) -> bool:
        """Whether items are masked for a generator."""
        return self._alters and self.options.invasive_augmentation == MASKED

    @property
    def pretraining(self) -> bool:
        """Whether this epoch trains only the generator."""
        return self._epoch < int(self.options.generator_pretraining_epochs)

    @property
    def _alters(self) -> bool:
        """Whether a term, at least in the first stage, uses invasively augmented rows."""
        return bool(self.options.replaced_item_weight) or self.options.altered_views != "none"

    @property
    def compares_padding(self) -> bool:
        """Whether the compared outputs include those at padding."""
        return self._pads

    @property
    def _pads(self) -> bool:
        return bool(self.options.count_padding_targets or self.options.count_padding_states)

    @property
    def _generator_learns(self) -> bool:
        last = self.options.freeze_generator_epoch
        learns = bool(self.options.generator_weight) and not self.finetuning
        return learns and (last is None or self._epoch < last)

    @property
    def has_next_stage(self) -> bool:
        """Whether the stage without generator and discriminator is still to come."""
        return bool(self.options.finetune_after_stop) and not self.finetuning

    def start_next_stage(self) -> None:
        """Ends the training of generator and discriminator; altered views still come from the generator."""
        self.finetuning = True

    def start_epoch(self, epoch: int) -> None:
        """From ``freeze_generator_epoch`` on, freezes the generator's own weights, but not the shared items."""
        self._epoch = epoch
        if self.item_generator is not None:
            self.item_generator.requires_grad_(self._generator_learns)
        self._recovered.zero_()
        self._masked = 0

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """The share of masked items that the generator recovered; all others were replaced."""
        own = {"generator_accuracy": self._recovered.item() / self._masked} if self._masked else {}
        return super().end_epoch(epoch) | own

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        weights = self.options
        places = batch.supervised.item_places()  # computed once for all: the host may wait for it
        original = Rows(batch.item_seq, batch.seq_len, places=places, host=batch.host)
        detects = bool(weights.replaced_item_weight) and not self.finetuning
        alters = detects or weights.altered_views != "none"
        altered, loss = self._alter(original) if alters else (original, None)
        generator_term = {} if loss is None else {"generator": weights.generator_weight * loss}
        if self.pretraining:
            return generator_term
        plain, *views = self.encode(*self._segments(batch, altered, places))
        states = self._real(plain, batch)
        terms = {"recommendation": self._recommend(plain, states, batch)}
        if weights.contrastive_weight:
            terms["contrastive"] = weights.contrastive_weight * self._contrast(plain, views, batch, altered)
        if detects:
            same = places if self.options.invasive_augmentation in _KEEPS_LENGTH else None
            detection = replaced_item_loss(*self.judge(states, original, altered._replace(places=same)))
            terms["replaced_item"] = weights.replaced_item_weight * detection
        return terms | generator_term

    def _alter(self, original: Rows) -> tuple[Rows, Tensor | None]:
        """Invasively augmented rows, and the generator's loss if it is trained."""
        ratio, strategy = self.options.mask_ratio, self.options.mask_strategy
        rows = original.item_seq, original.seq_len
        if self.item_generator is not None:
            masked = choose_altered(*rows, self.generator, spare_first=False, ratio=ratio, strategy=strategy)
            return self.fill_in(original, masked)
        how, source = self.options.invasive_augmentation, self.options.insert_from
        more: dict[str, Any] = {"ratio": ratio, "strategy": strategy, "insert_from": source}
        return alter(*rows, self.generator, how=how, n_items=self.n_items, **more), None

    def fill_in(self, original: Rows, masked: Tensor) -> tuple[Rows, Tensor | None]:
        """Replaces items by draws from the generator.

        Args:
            original: The original rows.
            masked: The items to replace. [B, L], bool.

        Returns:
            The rows with those items replaced, and the generator's loss if it is trained.
        """
        assert self.item_generator is not None
        filled: Filled = self.item_generator(
            original,
            masked,
            self.item_embedding,
            self._generator_learns,
            self.group_by_length,
            self._last_position,
            n_altered(original.host, ratio=self.options.mask_ratio, strategy=self.options.mask_strategy),
        )
        self._recovered += filled.n_recovered
        self._masked += filled.n_masked
        return Rows(filled.item_seq, original.seq_len, host=original.host), filled.loss

    def _segments(self, batch: Batch, altered: Rows, places: Tensor) -> list[Rows]:
        """The segments to encode: the rows, the same with another dropout mask, and altered rows as views."""
        rows = batch.supervised._replace(wanted="columns" if self._pads else "items", places=places)
        twice = self.options.contrastive_weight and self.options.mild_augmentation == "dropout"
        further = [] if self.options.altered_views == "none" else [altered._replace(wanted="items")]
        return [rows, *([rows] if twice else []), *further]

    def _real(self, hidden: Tensor, batch: Batch) -> Tensor:
        """The outputs at real positions, [T, D]."""
        return hidden.index_select(0, real_places(batch)) if self._pads else hidden

    def _recommend(self, plain: Tensor, states: Tensor, batch: Batch) -> Tensor:
        if batch.next_items is None:
            return self.recommendation_loss(states.index_select(0, last_places(batch.seq_len)), batch.target, batch)
        if self.options.count_padding_targets:
            return self.recommendation_loss(plain, targets_with_padding(batch), batch)
        return self.recommendation_loss(states, batch.supervised_target, batch)

    def _contrast(self, plain: Tensor, views: list[Tensor], batch: Batch, altered: Rows) -> Tensor:
        z = self._pool(plain, batch)
        positive = self._mildly_augmented(z, views, batch)
        temperature, symmetric = self.options.temperature, self.options.symmetric_contrast
        loss = partial(invariance_loss, temperature=temperature, symmetric=symmetric)
        rows = batch.supervised._replace(wanted="columns" if self._pads else "items")

        def complemented(nce: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
            pair = ViewPair(z, positive, rows, rows, lambda hidden, _: self._pool(hidden, batch))
            return self.compare_views(nce, pair)

        role = self.options.altered_views
        if role == "none":
            return complemented(loss)
        # At the same distance from the newest item as in the original.
        row, end = _window_ends(batch)
        end = (end + (altered.seq_len - batch.seq_len)[row]).clamp(min=1)
        z_altered = mean_of_last(views[-1], altered.seq_len, row, end, self.options.window_size)
        if role == "negative":
            return complemented(partial(loss, extra_negatives=z_altered))
        return torch.stack([complemented(loss), loss(z, z_altered)]).mean()

    def _mildly_augmented(self, z: Tensor, views: list[Tensor], batch: Batch) -> Tensor:
        how = self.options.mild_augmentation
        if how == "dropout":
            return self._pool(views[0], batch)
        if how == "norm":
            return F.normalize(z, dim=1)
        return perturb(z, self.generator, norm=self.options.perturbation_norm)

    def _pool(self, hidden: Tensor, batch: Batch) -> Tensor:
        """Means of the last k states up to each anchor, [A, D]."""
        seq_len, (row, end) = batch.seq_len, _window_ends(batch)
        if self.options.count_padding_states:
            missing = batch.item_seq.shape[1] - seq_len
            return mean_of_last(hidden, seq_len + missing, row, end + missing[row], self.options.window_size)
        return mean_of_last(self._real(hidden, batch), seq_len, row, end, self.options.window_size)

    def judge(self, states: Tensor, original: Rows, altered: Rows) -> Judged:
        """Lets the discriminator judge altered rows: see ``ecl/replaced_items.py``."""
        assert self.discriminator is not None
        return judge(
            self.discriminator,
            self.encoder if self.discriminator_encoder is None else self.discriminator_encoder,
            self.item_embedding,
            states,
            original,
            altered,
            self.group_by_length,
            self._last_position,
        )


def _window_ends(batch: Batch) -> Prefixes:
    """The prefixes at whose ends windows end: those of the anchors."""
    whole = Prefixes(torch.arange(len(batch.seq_len), device=batch.seq_len.device), batch.seq_len)
    return whole if batch.anchor_prefixes is None else batch.anchor_prefixes
