"""Bytes as they came: raw frames and REST exchanges on disk, and played again."""
