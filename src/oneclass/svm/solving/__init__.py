"""One problem or a grid of them: through the matrix of the rows, or by passes over them."""
