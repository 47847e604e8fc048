"""Very many logs: what each dies of, as a signature; how often, since when, on which release."""
