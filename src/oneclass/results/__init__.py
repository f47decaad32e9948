"""What a run leaves on disk: predictions, heatmaps, and overlays to look at."""
