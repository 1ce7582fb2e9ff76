"""Sequence encoders: tensors in, tensors out, no work on padding."""
