"""What a page fault costs on a squashfs image: the image's blocks, asked for as a trace asks, through the kernel's caches."""
