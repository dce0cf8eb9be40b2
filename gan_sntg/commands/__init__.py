"""The commands of `gan-sntg`, one file a word that a user types."""
