"""The fault kit against our own session and against others: who notices, returns, loses."""
