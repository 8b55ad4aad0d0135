"""Decisions: state, ledger, portfolio, rules, risk. Pure; imports `market` and `model` only."""
