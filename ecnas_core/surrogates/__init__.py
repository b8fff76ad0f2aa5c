"""What cells cost that nobody measured: features of cells, and models of their energy."""
