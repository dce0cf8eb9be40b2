"""Which errors are the user's to mend? The commands print these without a traceback."""


class InputError(ValueError):
    """A file, option or value from outside that cannot be used. The message says what, why and what to do."""


class UnhealthyError(RuntimeError):
    """A loss term is dead, or moves what it must not. The message names the configuration, the term and the network."""


class NonFiniteError(ArithmeticError):
    """A loss term became NaN or infinite. The message names the term, the epoch and the step."""
