"""Books that are right, or say that they are not. Pure."""
