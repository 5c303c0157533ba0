"""The nouns: rules, runs, arms, results, refusals.

Imported by every room but `stats`.
"""
