"""What is looked at: finding the sources and reading them frame by frame."""
