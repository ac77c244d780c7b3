"""What a predictor gives: boxes of an image, or the classes of one."""
