"""The table of threats: what a cheating agent does, and what becomes of it."""
