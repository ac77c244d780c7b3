"""The model file: read, checked and described before OpenCV sees a byte of it."""
