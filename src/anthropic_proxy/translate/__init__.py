"""From one API to the other. Pure: literals in, literals out."""
