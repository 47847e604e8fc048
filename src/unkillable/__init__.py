"""Why won't it die?  Find out why a Linux box froze when its memory ran out."""

__version__ = "0.1.0"
