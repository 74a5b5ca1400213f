"""What holds for every test, however the tests were started."""

import os
import signal

os.environ.setdefault("JOBHOST_PORT", "0")  # the shipped configuration's server takes any free one
signal.signal(signal.SIGINT, signal.default_int_handler)  # started in the background, processes would ignore Ctrl-C
