"""Exported runs: weights, program and card, written and loaded without executing anything."""
