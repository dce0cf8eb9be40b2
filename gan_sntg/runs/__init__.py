"""One run: its options, the objects they stand for, its folder, and its training session."""
