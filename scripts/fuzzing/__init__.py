"""The parts of scripts/fuzz.py: what is damaged, how, and what becomes of it."""
