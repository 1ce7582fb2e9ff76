"""Packs rows of several views into one sequence of items: no work on padding, and one pass for all of them."""

from recbole_cl.encoder.packing.layout import Group, Packing, both_ways
from recbole_cl.encoder.packing.pack import pack, padded
from recbole_cl.encoder.packing.vectors import encode_vectors

__all__ = ["Group", "Packing", "both_ways", "encode_vectors", "pack", "padded"]
