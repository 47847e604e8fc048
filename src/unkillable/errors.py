"""The one exception that reaches a user as a line of text."""


class UserError(Exception):
    """Unusable input or arguments: one line that says what was wrong, where, and what to do.

    The command line prints the message and exits with status 2; nothing else in the package turns an
    exception into output.
    """
