"""Draws of items: negatives, and what stands in for masked ones. Knows no model."""
