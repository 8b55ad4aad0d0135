"""Sockets, and only here. Shells call; the pure middle answers."""
