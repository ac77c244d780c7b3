"""Two tiny networks and how they were made: one finds drawn shapes and their masks, one names a shape."""

NAMES = ("circle", "square", "star", "triangle")
"""The classes; a class id is the position here. They are sorted, as the folders of a data set are."""
