"""What methods are built of: batches, pairs of views, pooling, recommendation loss, thresholds, complements."""
