"""Measures what this project promises: speed, memory, latency, against other libraries.

Imports `model` (and `bench/training.py` imports `train`); nothing imports `bench`.
"""
