"""One file for each family of kernel output, in one table; the result is an immutable `Evidence`."""
