"""Recomputes a ledger and everything it claims.

Imported by `surface`.
"""
