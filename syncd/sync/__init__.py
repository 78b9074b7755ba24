"""Decisions about rows: what a pull must change (pure), and the straight line that a pull walks."""
