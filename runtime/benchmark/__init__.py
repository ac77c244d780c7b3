"""What `python -m runtime.bench` is made of."""
