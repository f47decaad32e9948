"""One module a file format: its container is read here, its pixels by Pillow."""
