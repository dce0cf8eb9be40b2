"""Orders of examples."""
