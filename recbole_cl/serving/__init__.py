"""What a trained model is used for: recommendations, nearest items, vectors, and models that travel."""
