"""ELECRec: a generator replaces next items by plausible ones; the discriminator detects them, and ranks items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Gt, Le
from pydantic import Field
from torch import Tensor, nn

from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import MethodSettings, NotNegative, Positive
from recbole_cl.encoder.registry import ENCODERS
from recbole_cl.errors import UsageError
from recbole_cl.loss.replaced_item import replaced_item_loss
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.model.encoder_settings import EncoderRecommenderSettings
from recbole_cl.model.left_padding import real_places
from recbole_cl.model.masked_items import generate_items
from recbole_cl.ragged import last_places

_OWN = "layer_norm"  # the one on the item vectors, which the two networks never share


class ELECRecSettings(EncoderRecommenderSettings):
    """Settings of ELECRec."""

    replaced_item_weight: NotNegative = Field(description="lambda")
    replace_ratio: Annotated[float, Gt(0), Le(1)] = Field(description="alpha")
    sampling_power: Positive
    share_parameters: Literal["all", "embeddings"]
    double_steps: bool
    count_padding_targets: bool

    papers: ClassVar[Papers] = {
        **said(
            "ELECRec, the authors' scripts",
            replaced_item_weight=ByDataset(Beauty=0.6, Sports=0.8, Toys=0.4, Yelp=0.7),
            replace_ratio=ByDataset(Beauty=0.45, Sports=0.5, Toys=0.5, Yelp=0.8),
            sampling_power=ByDataset(Yelp=4.4, others=1.0),
            share_parameters=ByDataset(Yelp="embeddings", others="all"),
            double_steps=True,
            count_padding_targets=True,
            n_layers=2,
            n_heads=2,
            hidden_size=64,
            hidden_dropout_prob=0.5,
            attn_dropout_prob=0.5,
            MAX_ITEM_LIST_LENGTH=50,
            train_form="sequence",
            recommendation_loss="ce",
            train_batch_size=256,
            learner="adam",
            learning_rate=0.001,
            epochs=300,
            valid_metric="NDCG@20",
        ),
        **said("ELECRec, the authors' scripts: patience 40", stopping_step=39),
    }


class ELECRec(EncoderRecommender):
    r"""Sequential recommenders trained as discriminators.

    .. math:: L = L_{G} + \lambda L_{D}

    The generator is trained to predict the next item at every position. Some of the next items are replaced by draws
    from its softmax, raised to a power. The discriminator encodes this row of next items and predicts for each whether
    it is real. For ranking, the discriminator encodes the plain row: what it knows of next items comes from the weights
    that the two networks share.

    Reference:
        Chen, Li and Xiong, "ELECRec: Training Sequential Recommenders as Discriminators", SIGIR 2022.

    Note:
        In the prefix form the generator is trained on each row's own target, but replaces the next item everywhere. The
            authors' optimiser lists shared weights twice, so that each batch updates them twice with the same gradient.
            This is the setting ``double_steps``, which works with our trainer but not with RecBole's.
            ``docs/methods/elecrec.md`` lists other differences between paper and code.
    """

    settings: ClassVar[type[MethodSettings]] = ELECRecSettings
    options: ELECRecSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        if not self.abilities.is_causal:
            raise UsageError(
                f"encoder = {self.options.encoder}: ELECRec draws next items at every position, which this one sees; "
                "set it to transformer"
            )
        if self.options.count_padding_targets and self.options.train_form == "prefix":
            raise UsageError("count_padding_targets = True: rows have one target in the prefix form; set it to False")
        if self.options.count_padding_targets and not self.options.right_aligned:
            raise UsageError(
                "count_padding_targets = True: padding stands before the items, so set right_aligned to True"
            )
        if self.options.history_penalty:
            raise UsageError(
                "history_penalty = True: ELECRec trains its generator's scores and ranks by the discriminator; "
                "set it to False"
            )
        encoder: Any = ENCODERS.resolve(self.options.encoder)
        self.item_generator: nn.Module = encoder(self.encoder_settings, self.generator)
        self.item_generator.apply(self.initialise)
        self._shared = self._share()
        self.judge = nn.Linear(self.options.hidden_size, 1).apply(self.initialise)
        if self.options.compile_encoder:
            self.item_generator.compile(dynamic=True)

    def _share(self) -> list[str]:
        """Gives the generator the shared modules of the discriminator; returns their names."""
        names = [name for name, _ in self.encoder.named_children() if name != _OWN]
        if self.options.share_parameters == "embeddings":
            names = [name for name in names if name == "position_embedding"]
        for name in names:
            setattr(self.item_generator, name, getattr(self.encoder, name))
        return names

    @property
    def stepped_twice(self) -> Sequence[nn.Parameter]:
        """The weights that both networks share."""
        if not self.options.double_steps:
            return ()
        shared = [weight for name in self._shared for weight in getattr(self.encoder, name).parameters()]
        return (*self.item_embedding.parameters(), *shared)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        target = batch.next_items if batch.next_items is not None else _next_items(batch)
        rows = batch.supervised._replace(wanted="items")
        rows = rows._replace(places=rows.item_places())
        states, recommendation = self._generate(rows, batch)
        fake, replaced = self.replace(states, Rows(target, rows.seq_len, "items", places=rows.places))
        detection = replaced_item_loss(-self.reality(fake), replaced)
        return {"recommendation": recommendation, "replaced_item": self.options.replaced_item_weight * detection}

    def _generate(self, rows: Rows, batch: Batch) -> tuple[Tensor, Tensor]:
        """The generator's outputs at all items, [T, D], and its loss."""
        if self.options.count_padding_targets:
            (hidden,) = self.encode_by(self.item_generator, rows._replace(wanted="columns"))
            places = real_places(batch)
            target = rows.item_seq.new_zeros(len(hidden)).index_copy(0, places, batch.supervised_target)
            return hidden.index_select(0, places), self.recommendation_loss(hidden, target)
        (hidden,) = self.encode_by(self.item_generator, rows)
        at_targets = hidden if batch.next_items is not None else hidden.index_select(0, last_places(batch.seq_len))
        return hidden, self.recommendation_loss(at_targets, batch.supervised_target, batch)

    def replace(self, states: Tensor, target: Rows) -> tuple[Rows, Tensor]:
        """Replaces some items of rows by draws from the generator; no gradient passes through them.

        Args:
            states: The generator's outputs. [T, D].
            target: The rows, with the flat positions of their items, [T].

        Returns:
            The altered rows, and whether each of the T items was changed, [T], bool. Waits for the device, because the
                number of replaced items is random.
        """
        assert target.places is not None
        draw = torch.rand(len(states), generator=self.generator, device=states.device)
        chosen = (draw < self.options.replace_ratio).nonzero().squeeze(1)
        power = self.options.sampling_power
        items = generate_items(states.index_select(0, chosen), self.item_table, self.generator, power)
        place = target.places.index_select(0, chosen)
        item_seq = target.item_seq.flatten().index_copy(0, place, items)
        before, after = (it.index_select(0, target.places) for it in (target.item_seq.flatten(), item_seq))
        return target._replace(item_seq=item_seq.view_as(target.item_seq)), before != after

    def reality(self, rows: Rows) -> Tensor:
        """The discriminator's log-odds that items are real, for each item of the rows, [T]."""
        (hidden,) = self.encode(rows)
        odds: Tensor = self.judge(hidden)
        return odds.squeeze(1)


def _next_items(batch: Batch) -> Tensor:
    """The item after each item of prefix rows, where the last one is the target, [B, L]."""
    later = torch.nn.functional.pad(batch.item_seq[:, 1:], (0, 1))
    return later.scatter(1, batch.seq_len.unsqueeze(1) - 1, batch.target.unsqueeze(1))
