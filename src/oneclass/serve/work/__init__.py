"""What the server does besides talking: keep, score, learn, watch, tell."""
