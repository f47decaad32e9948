"""The main job on real images: what `oneclass demo` writes and runs."""
