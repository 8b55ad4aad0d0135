"""Examinations: how close a venue's façade is to the venue itself."""
