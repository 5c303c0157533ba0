"""The values that a log or a file holds of one metric become its result.

Imported by `notices` and the server.
"""
