"""WebSocket conformance, judged by a stranger: `python -m conformance`."""
