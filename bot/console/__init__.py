"""The platform that needs no token: the same commands on standard input and output."""
