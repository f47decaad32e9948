"""What the server remembers: one SQLite file in WAL mode, with migrations."""
