"""What a reader must be told; refuses nothing.

Imported by `report` and the server.
"""
