"""Boxes, masks, keypoints and their labels on an image."""
