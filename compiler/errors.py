"""The exceptions that users of the compiler meet."""


class ModelError(Exception):
    """A model or file that is invalid or that this engine cannot run.

    The text is one sentence for the user: the thing (operator index, name, tensor), the rule, the
    value found, and the remedy. The command line prints it behind ``error: `` and exits with 3.
    """


class ShapeError(Exception):
    """Tensors or parameters of an operator that do not fit each other; the text is what was found.
    """


class DataError(Exception):
    """Inputs that cannot be had or used; the text is one sentence for the user."""


class ToolError(Exception):
    """A tool is missing, or has failed; the text says which and how."""
