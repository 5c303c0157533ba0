"""The sequential design: a test at each look, with the chance of a false WINNER that the protocol's rule has."""
