"""Settings for all tests."""

import os
import signal

from hypothesis import settings

# A script starts what it puts in the background with SIGINT ignored, and what is started from there inherits it: the
# programs that the tests interrupt would hear nothing.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# A build must not turn red by chance: CI tries the same examples every time.  `make fuzz`, and a run without CI,
# look for new ones.
settings.register_profile("ci", derandomize=True, print_blob=True, deadline=None)
# How long an example takes says something about the machine, which others use as well.
settings.register_profile("here", deadline=None)
settings.load_profile("here")
if os.environ.get("CI"):
    settings.load_profile("ci")
