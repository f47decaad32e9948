"""The detector: its settings, fit, update, score and explain; the model file; choosing."""
