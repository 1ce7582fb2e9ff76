"""The parts of ECL-SR beside its encoder: generator, discriminator, and what left-padded code makes of a batch."""
