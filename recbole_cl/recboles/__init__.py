"""RecBole models that train on RecBole's batches with RecBole's trainers, in runs like all others."""
