"""The vocabulary of sleeping: task states, wait primitives, wait sites, resources and their holders."""
