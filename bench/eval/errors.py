"""The one exception that ends an evaluation with one line instead of a traceback."""


class EvalError(ValueError):
    """The evaluation cannot be run as asked; the text says what would be right."""
