"""One problem for every cluster: small ones side by side, the others one after the other."""
