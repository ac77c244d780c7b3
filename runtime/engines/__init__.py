"""What runs a network: `cv2.dnn` on one of its devices, or the package onnxruntime."""
