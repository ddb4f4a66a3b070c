"""Random nodes for tests/differential.py: how one is drawn, what its results must be, and a function for each operator."""
