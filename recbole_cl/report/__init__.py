"""Reads stored runs, and makes tables from them."""
