"""Seedproof's server: it acts on what the protocol decides."""
