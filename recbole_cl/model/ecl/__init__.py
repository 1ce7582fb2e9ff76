"""The parts of ECL-SR other than its encoder: generator, discriminator, and altered rows."""
