"""Stored runs, and the tables made from them."""
