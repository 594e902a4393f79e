"""A study that brings its own panel: declared, checked, evaluated without a warehouse."""
