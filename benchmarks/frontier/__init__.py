"""How fast distances and Malmquist indices are, and against what."""
