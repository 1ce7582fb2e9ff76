"""A method of your own, in its own file, with its settings in TwoCrops.yaml next to it: python own_method.py.

From the shell, in this folder: recbole-cl train --model=own_method.TwoCrops --dataset=ml-100k --crop_ratio=0.8
"""

from __future__ import annotations

from functools import partial

from pydantic import Field
from torch import Tensor

from recbole_cl import RunResult, run
from recbole_cl.augmentation import crop
from recbole_cl.batch import Batch
from recbole_cl.config.schema import NotNegative, Positive, Share
from recbole_cl.loss.info_nce import info_nce
from recbole_cl.model.contrast.pairs import ViewPair
from recbole_cl.model.contrastive import ContrastiveRecommender, ContrastiveSettings


class TwoCropsSettings(ContrastiveSettings):
    """The settings of TwoCrops; their values are in TwoCrops.yaml."""

    crop_ratio: Share = Field(description="share of a sequence that a crop keeps")
    temperature: Positive = Field(description="temperature of the contrast")
    contrastive_weight: NotNegative = Field(description="weight of the contrast, relative to the recommendation loss")


class TwoCrops(ContrastiveRecommender):
    """SASRec with a contrast between two crops of each sequence. CL4SRec without masks and reorderings."""

    settings = TwoCropsSettings
    options: TwoCropsSettings

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        anchors = batch.anchors
        first, second = (
            crop(anchors.item_seq, anchors.seq_len, self.generator, ratio=self.options.crop_ratio) for _ in range(2)
        )
        hidden, z_first, z_second = self.encode(batch.supervised, first, second)
        loss = partial(info_nce, temperature=self.options.temperature)
        contrast = self.compare_views(loss, ViewPair(z_first, z_second, anchors, anchors))
        return {
            "recommendation": self.recommendation_loss(hidden, batch.supervised_target, batch),
            "contrastive": self.options.contrastive_weight * contrast,
        }


def main(dataset: str = "ml-100k", **settings: object) -> RunResult:
    """Trains it like any other method; `recbole-cl compare` accepts its run folder."""
    return run(TwoCrops, dataset, **settings)


if __name__ == "__main__":
    from own_method import main  # so that the run folder names own_method.TwoCrops, which can be loaded from elsewhere

    print(main(epochs=2, train_form="sequence", train_batch_size=32).table())
