"""From a float model to an int8 one that the engine takes, and what that costs in accuracy.

``ai-edge-quantizer`` decides on scales and rewrites the file; this package gives it a float model
that it understands, the ranges of all tensors, and measures what came of it. It comes with the
extra ``quantize``, so nothing outside of this package imports its modules but where they are run.
"""
