"""The front door: composition only, one page of code a command."""
