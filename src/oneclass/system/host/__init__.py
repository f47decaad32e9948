"""The machine below: what it is, how many may work, how much memory, signals, other systems."""
