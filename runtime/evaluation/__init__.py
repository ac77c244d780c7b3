"""What `python -m runtime.evaluate` is made of."""
