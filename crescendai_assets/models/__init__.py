"""Models that judge a performance. What they learn from is in `training`, how they are compared in `evaluation`."""
