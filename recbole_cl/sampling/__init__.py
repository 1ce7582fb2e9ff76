"""Sampling of items: negatives, and replacements for masked items. Independent of the models."""
