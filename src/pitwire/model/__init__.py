"""The words: events, orders, instruments, errors, time and chance. Imports nothing of ours."""
