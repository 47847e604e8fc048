"""How fast `unkillable diagnose` reads, against what reading costs at least; docs/performance.md has the figures."""
