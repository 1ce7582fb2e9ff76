"""Uses of a trained model: recommendations, nearest items, vectors, and exported models."""
