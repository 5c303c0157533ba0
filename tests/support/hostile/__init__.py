"""Training scripts that do what no training should; tests/test_hostile.py runs each of them."""
