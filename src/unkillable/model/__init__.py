"""The mechanism as a transition system: tasks, wait queues, squashfs's cache, memory and the OOM killer, small enough to try
every interleaving of.  Knows nothing of Linux's source: what differs between kernels is a parameter (`eras`)."""
