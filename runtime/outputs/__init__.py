"""What becomes of detections: pictures, videos, crops, label files, JSON, CSV."""
