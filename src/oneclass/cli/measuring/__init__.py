"""The commands that measure where something is known of the truth."""
