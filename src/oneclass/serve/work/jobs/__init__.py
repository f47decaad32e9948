"""What takes a while and is done one after the other: looking at sets, learning, reports."""
