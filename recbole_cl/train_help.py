"""Texts of `recbole-cl train --help` before and after the flags."""

from __future__ import annotations

from typing import Any

_TRAIN_EPILOG = """\
any setting:
  --KEY=VALUE or --KEY VALUE sets a key of the YAML files (props/overall.yaml, props/model/<Model>.yaml) for this run.
  VALUE is read as YAML: 1e-3 is a number, [5,10] a list, {LS: valid_and_test} a mapping, True a flag, ~ nothing.
  Strongest first: these flags, --config_files (later files first), files of the experiment, dataset and model.

the settings that are changed most, with their defaults:
  --epochs=300                     at most; early stopping ends most runs sooner
  --stopping_step=10               patience: this many + 1 validations without improvement end the run
  --learning_rate=1e-3
  --train_batch_size=256           rows of a step
  --train_form=prefix              or sequence: one row per user, the fast path (then --train_batch_size=64)
  --MAX_ITEM_LIST_LENGTH=50        most recent items that a model sees
  --hidden_size=64                 with n_layers and n_heads, the size of the model
  --hidden_dropout_prob=0.5        and attn_dropout_prob; 0.2 is usual for MovieLens
  --temperature=1.0                of the contrast, with contrastive_weight
  --eval_history=keep              or remove: which protocol early stopping looks at; the test has both
All of them, with ranges and the papers' values: `recbole-cl models --settings DuoRec`.

examples:
  %(prog)s                                              DuoRec on ml-100k, which comes with RecBole
  %(prog)s -m SASRec -d amazon-beauty --seeds 5         the configured seed and the four after it
  %(prog)s -m DuoRec -d ml-1m --seeds 1,2,3 --contrast=su --temperature=0.5
  %(prog)s -m my_package.my_module.MyMethod -d ml-1m    a class of your own, the working folder included
  %(prog)s -m CL4SRec -d ml-1m --config_files "a.yaml b.yaml" --learning_rate 1e-3 --topk "[5, 10]"
  %(prog)s --config_files saved/<run>/config.yaml       a run again
  %(prog)s --resume saved/<run>                         resume an interrupted run, in its folder
"""
TRAIN: dict[str, Any] = {
    "usage": "%(prog)s [-m MODEL] [-d DATASET] [--config_files FILES] [--seeds SEEDS] [--KEY=VALUE ...]",
    "description": "Train a model with early stopping, test it with the users' history kept in and removed from the "
    "ranking, and leave a run folder.",
    "epilog": _TRAIN_EPILOG,
}
