"""A reader of initramfs archives, written from the description of the format."""

from __future__ import annotations


def read(data: bytes) -> dict[str, tuple[int, bytes, tuple[int, int]]]:
    """Path -> (mode, content, device), in the archive's order; asserts what the kernel relies on."""
    found: dict[str, tuple[int, bytes, tuple[int, int]]] = {}
    at = 0
    while True:
        assert at % 4 == 0
        assert data[at : at + 6] == b"070701"
        numbers = [int(data[at + 6 + 8 * i : at + 14 + 8 * i], 16) for i in range(13)]
        mode, size, length = numbers[1], numbers[6], numbers[11]
        assert numbers[2:4] == [0, 0], "owned by root"
        assert numbers[5] == 0, "dated to the epoch"
        name = data[at + 110 : at + 110 + length]
        assert name.endswith(b"\0")
        at += 110 + length + -(110 + length) % 4
        content = data[at : at + size]
        assert len(content) == size
        at += size + -size % 4
        if name == b"TRAILER!!!\0":
            assert set(data[at:]) <= {0}
            assert len(data) % 512 == 0
            return found
        assert name[:-1].decode() not in found
        found[name[:-1].decode()] = (mode, content, (numbers[9], numbers[10]))
