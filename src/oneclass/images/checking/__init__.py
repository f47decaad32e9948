"""What `check` says of a set of images: the report, and the advice that follows from it."""
