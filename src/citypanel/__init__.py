"""City-year panels and place-based policy estimates."""
