"""Studies that bring their own panel: declared, checked, evaluated; no warehouse."""
