"""Models of RecBole's that train on RecBole's batches by RecBole's trainers, in runs like all others."""
