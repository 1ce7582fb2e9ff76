"""Stored runs, and the tables and plots made from them."""
