"""Safe reading and atomic writing of every kind of file that a run or a user may bring."""
