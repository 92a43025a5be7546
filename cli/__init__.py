"""The top floor: the `debitor` command, and the putting together of each process."""
