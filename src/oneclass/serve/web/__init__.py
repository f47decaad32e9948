"""HTTP: what is let in, how errors are told, the pages, and the server."""
