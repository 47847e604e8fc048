"""The local pages of `unkillable serve`: a log dropped and diagnosed, and a fleet's store looked through."""
