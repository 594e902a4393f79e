"""What the headline rests on: every city, every figure, every assumption."""
