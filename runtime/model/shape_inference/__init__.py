"""Shape inference: what each operator makes of the shapes of its inputs, in ONNX's own groups of operators.

`context` is what a rule sees of a node. The table OPERATORS of a group has one record for each operator.
"""
