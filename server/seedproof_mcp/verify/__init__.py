"""Recomputes a ledger and everything it claims; changes nothing.

Imported by `surface`.
"""
