"""Losses as pure functions of tensors, independent of models, data and configuration."""
