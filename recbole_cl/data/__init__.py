"""Datasets, training rows and loaders; knows no model."""
