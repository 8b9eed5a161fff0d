"""Names of places for coordinates, and coordinates for names of places, without a network."""
