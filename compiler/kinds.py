"""Operators and types that are alike, by TFLite's names."""

BYTES = ("int8", "uint8")                        # the types of activations

DOT_PRODUCTS = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")
POOLS = ("MAX_POOL_2D", "AVERAGE_POOL_2D")
WINDOWS = ("CONV_2D", "DEPTHWISE_CONV_2D", *POOLS)
REDUCTIONS = ("MEAN", "SUM", "REDUCE_MAX")
# The same bytes under another shape: no work at all.
RESHAPES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")
TABLES = ("LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "EXP", "LOG", "ELU", "GELU", "ABS", "NEG",
          "SQRT", "RSQRT")
SAME_SHAPE = ("RELU", "RELU6", "RELU_N1_TO_1", "RELU_0_TO_1", "SOFTMAX", "QUANTIZE",
              "DEQUANTIZE", *TABLES, "L2_NORMALIZATION")


def channel_axis(kind: str) -> int:
    """The axis of a matrix product's weights that its output channels lie along."""
    return 3 if kind == "DEPTHWISE_CONV_2D" else 0
