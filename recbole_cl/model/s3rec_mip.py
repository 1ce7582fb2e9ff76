"""S3-Rec's masked-item prediction as pre-training, followed by fine-tuning as SASRec."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from annotated_types import Gt, Le
from pydantic import Field
from torch import Tensor, nn

from recbole_cl.augmentation.cloze import choose_hidden
from recbole_cl.batch import Batch, Rows
from recbole_cl.config.papers import ByDataset, Papers, said
from recbole_cl.config.schema import MethodSettings, Natural, Text
from recbole_cl.encoder.packing import both_ways
from recbole_cl.errors import UsageError
from recbole_cl.loss.masked_item import masked_item_loss
from recbole_cl.model.base import EncoderRecommender
from recbole_cl.model.checks import refuse_long_first_stage
from recbole_cl.model.encoder_settings import EncoderRecommenderSettings
from recbole_cl.ragged import append
from recbole_cl.sampling.negatives import uniform_negatives_outside


class S3RecMIPSettings(EncoderRecommenderSettings):
    """Settings of S3Rec_MIP."""

    pretrain_epochs: Natural
    pretrained: Text
    mask_ratio: Annotated[float, Gt(0), Le(1)] = Field(description="mask_p")

    papers: ClassVar[Papers] = {
        **said(
            "S3-Rec, the authors' scripts",
            pretrain_epochs=ByDataset(Beauty=150, Sports=100, Toys=150, Yelp=100),
            mask_ratio=0.2,
            n_layers=2,
            n_heads=2,
            hidden_size=64,
            hidden_dropout_prob=0.5,
            attn_dropout_prob=0.5,
            MAX_ITEM_LIST_LENGTH=50,
            train_form="sequence",
            recommendation_loss="bce",
            learner="adam",
            learning_rate=0.001,
            valid_metric="NDCG@20",
        ),
        **said("S3-Rec, the authors' scripts; 100 in pre-training", train_batch_size=256),
        **said("S3-Rec, the authors' scripts: patience 10", stopping_step=9),
    }


class S3Rec_MIP(EncoderRecommender):  # noqa: N801  (the papers' name)
    r"""Two stages in one run: a bidirectional encoder predicts masked items; then it is trained as SASRec.

    .. math:: L_{pre} = -\frac{1}{|M|} \sum_{t \in M}
        \log \sigma\big(\sigma((W h_t)^\top e_{i_t}) - \sigma((W h_t)^\top e_{j_t})\big), \qquad L = L_{rec}

    The last item of a prefix is always masked, the others with a given probability. In the prefix form the prefixes are
        the rows with their targets; in the sequence form they are ``anchors_per_row`` random prefixes of each row.
        Early stopping considers only the second stage.

    Reference:
        Zhou, Wang, Zhao et al., "S3-Rec: Self-Supervised Learning for Sequential Recommendation with Mutual Information
        Maximization", CIKM 2020, section 4.2.2, without attributes and segments: ``S3Rec_MIP`` of later papers.

    Note:
        ``docs/methods/s3rec_mip.md`` lists the differences from the authors' code.
    """

    needs_attention = True
    settings: ClassVar[type[MethodSettings]] = S3RecMIPSettings
    options: S3RecMIPSettings

    def __init__(self, config: Any, dataset: Any) -> None:
        super().__init__(config, dataset)
        refuse_long_first_stage("pretrain_epochs", self.options.pretrain_epochs, self.plan)
        if self._given and self.options.pretrain_epochs:
            raise UsageError(f"pretrained = {self.options.pretrained}: is pre-trained; set pretrain_epochs to 0")
        if self.options.pretrain_epochs and self.n_items - 1 <= self.max_seq_length:
            raise UsageError(
                f"pretrain_epochs = {self.options.pretrain_epochs}: a row of {self.max_seq_length} may leave none of "
                f"{self.n_items - 1} items to contrast with; lower MAX_ITEM_LIST_LENGTH"
            )
        self._epoch = 0
        self.item_comparison: nn.Linear | None = None
        if self.has_mask_token:
            size = self.options.hidden_size
            self.item_comparison = nn.Linear(size, size).apply(self.initialise)

    @property
    def has_mask_token(self) -> bool:
        """Whether items are, or were, masked."""
        return bool(self.options.pretrain_epochs) or self._given

    @property
    def _given(self) -> bool:
        return self.options.pretrained != "none"

    @property
    def first_stage_epochs(self) -> int:
        """The epochs of pre-training."""
        return self.options.pretrain_epochs

    @property
    def pretraining(self) -> bool:
        """Whether this epoch predicts masked items."""
        return self._epoch < self.options.pretrain_epochs

    def start_epoch(self, epoch: int) -> None:
        """Switches to the epoch's stage."""
        self._epoch = epoch

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        if not self.pretraining:
            (hidden,) = self.encode(batch.supervised)
            return {"recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch)}
        anchors = batch.anchors
        item_seq, seq_len = append(anchors.item_seq, anchors.seq_len, batch.anchor_target, self.max_seq_length)
        masked = choose_hidden(item_seq, seq_len, self.generator, ratio=self.options.mask_ratio, always="last")
        negatives = uniform_negatives_outside(item_seq, self.n_items, item_seq.shape[1], self.generator)
        return {"masked_item": self.predict_masked(Rows(item_seq, seq_len), masked, negatives)}

    def predict_masked(self, rows: Rows, masked: Tensor, negatives: Tensor) -> Tensor:
        """The mean loss of the masked items.

        Args:
            rows: The original rows.
            masked: Which items are masked, at least one. [B, L], bool.
            negatives: The item that each item is contrasted with. [B, L].

        Returns:
            Scalar. Waits for the device, because the number of masked items is random.
        """
        assert self.item_comparison is not None
        places = rows.item_places()
        given = Rows(rows.item_seq.masked_fill(masked, self.mask_id), rows.seq_len, "items", places=places)
        (hidden,) = self.encode_by(lambda tokens, packing: self.encoder(tokens, both_ways(packing)), given)
        chosen = masked.flatten().index_select(0, places).nonzero().squeeze(1)
        hidden = hidden.index_select(0, chosen)
        place = places.index_select(0, chosen)
        items, others = (it.flatten().index_select(0, place) for it in (rows.item_seq, negatives))
        return masked_item_loss(self.item_comparison(hidden), self.item_table, items, others)
