"""How the commands talk: sentences, progress, errors, and the options that several share."""
