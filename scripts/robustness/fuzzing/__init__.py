"""The parts of scripts/robustness/fuzz.py: what is damaged, how, and what becomes of it."""
