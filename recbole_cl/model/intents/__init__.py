"""Latent intents: clusters of the training rows' representations, found at the beginning of every epoch."""

from recbole_cl.model.intents.intents import Intents, IntentSettings, intents_of

__all__ = ["IntentSettings", "Intents", "intents_of"]
