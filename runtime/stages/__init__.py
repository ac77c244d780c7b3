"""One stage of the data's way a file: letterbox, network, decode, NMS."""
