"""Safe reading and atomic writing of the files of a run or a user."""
