"""Orders of examples, and the reading of batches before they are asked for."""
