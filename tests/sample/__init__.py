"""A small study whose reports, figures and study page are docs/sample."""
