"""Shared parts of contrastive methods: pairs of views, pooling, thresholds, a complementary encoder, diagnostics."""
