"""Rows of several views in one packed sequence of items: no work on padding, one pass for all of them."""

from recbole_cl.encoder.packing.layout import Group, Packing, both_ways
from recbole_cl.encoder.packing.pack import pack, padded
from recbole_cl.encoder.packing.vectors import encode_vectors

__all__ = ["Group", "Packing", "both_ways", "encode_vectors", "pack", "padded"]
