"""The embedded default model, `codes.onnx`: a detector of printed codes. `recipe/` is how it was made."""
