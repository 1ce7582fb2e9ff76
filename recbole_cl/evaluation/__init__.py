"""Ranks per user, and the metrics and significance tests computed from them."""
