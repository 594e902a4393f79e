"""The specification curve: the headline under every choice of the study."""
