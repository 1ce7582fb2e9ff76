"""Datasets, training rows and loaders; independent of the models."""
