"""Checks that run on this repository; nothing here is installed."""
