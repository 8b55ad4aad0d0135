"""Events as tables: what happened lately in memory, as DataFrames."""
