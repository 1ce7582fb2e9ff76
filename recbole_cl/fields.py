"""Names of the batch fields that our loader adds to RecBole's.

A batch is a RecBole ``Interaction``. Beside RecBole's own fields (item list, its length, target, user) it may hold
the fields below; ``<list>`` stands for RecBole's item-list field, by default ``item_id_list``.
"""

from __future__ import annotations

SAME_TARGET_PREFIX = "same_target_"  # + <list>, + length field: a training row with the same target as each anchor
NEXT_PREFIX = "next_"  # + <list>: the target at every position, in the sequence form
ANCHOR_LENGTH = "anchor_length"  # [B, K]: prefix lengths at which contrastive terms look at each row
TARGET_PLACE = "target_place"  # [T]: flat places in [B, L] of the items that have a target, in the sequence form
ROW_ID = "training_row"  # [B]: place of a row in the training set, in a plain RecBole script
