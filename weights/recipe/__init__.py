"""How the embedded model was made: synthetic scenes of printed codes, the network, training, measurement."""

NAMES = ("qr_code", "data_matrix", "aztec", "pdf417", "barcode", "aruco")
"""The classes; a label's class id is the position here."""
