"""The parts of ECL-SR other than its encoder: generator, discriminator, and the behaviour of left-padded code."""
