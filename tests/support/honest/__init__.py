"""Trainings that read and write what honest ones do; tests/journeys/test_honest_studies.py runs each of them."""
