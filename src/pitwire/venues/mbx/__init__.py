"""What the dialects of one family of venues share: Binance spot, its futures (ADR 20)."""
