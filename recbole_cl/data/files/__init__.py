"""Files of interactions: RecBole's atomic files, other formats, and checks of their content."""
