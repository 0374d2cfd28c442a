"""Statistics of fold changes, on arrays."""
