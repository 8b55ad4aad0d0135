"""Dialects: what each venue says, as tables and functions. No sockets, no clocks."""
