"""Files that appear whole, many paths in little memory, the machine, downloads, and time."""
