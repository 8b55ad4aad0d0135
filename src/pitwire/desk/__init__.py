"""Composition: configuration, secrets, logs, health, and the desk that runs it all."""
