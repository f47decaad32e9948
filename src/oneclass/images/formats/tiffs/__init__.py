"""TIFF: the container, where its pictures lie, and their pixels."""
