"""Kernel source to facts: macros, functions, who calls whom, where a task sleeps and in which state."""
