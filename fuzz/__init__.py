"""Harnesses that feed decoders what no venue should send; see `__main__`."""
