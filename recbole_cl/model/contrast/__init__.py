"""What contrastive methods share: pairs of views, pooling, thresholds, a complementary encoder, diagnostics."""
