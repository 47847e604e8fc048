"""Whether a series of patches does what it says: that it applies, compiles, changes these sleeps and no others, and what it
does in a virtual machine.  Above `remedies`, which makes it, and `lab`, which knows nothing of it."""
