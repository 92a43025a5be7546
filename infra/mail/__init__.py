"""The mail server: what its address says, and mails handed to it."""
