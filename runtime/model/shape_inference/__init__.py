"""What each operator makes of the shapes of its inputs: one rule for each, by what the operators do.

`operands` is what a rule sees of a node. A room's table RULES says which operators it has rules for.
"""
