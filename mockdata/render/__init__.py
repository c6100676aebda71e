"""How bytes are made: what a worker does with a range of indices."""
