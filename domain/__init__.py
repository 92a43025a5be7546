"""The rules of Debitor: plain Python, no input or output."""
