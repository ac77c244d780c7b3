"""What is called on images: a model file with its stages in their order."""
