"""Timings of training steps beside a baseline and the machine's own limits."""
