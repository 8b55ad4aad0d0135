"""Real-time exchange streaming and trading over WebSockets."""

__version__ = "0.1.0"

__all__ = ["__version__"]
