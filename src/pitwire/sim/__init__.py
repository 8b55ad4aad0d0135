"""The other side of the wire: a simulated venue. Shares words with the client, never code."""
