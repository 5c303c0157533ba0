"""Tries the command in short runs outside the ledger, and says what they tell about the settings.

Imported by `surface`.
"""

__all__: list[str] = []
