"""Conversations over links: the six verbs, and everything that keeps them true after a loss."""
