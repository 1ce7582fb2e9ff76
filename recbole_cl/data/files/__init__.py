"""Files of interactions: RecBole's atomic files, other formats, and what is wrong with them."""
