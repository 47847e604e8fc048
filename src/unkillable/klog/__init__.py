"""From what a user has to the lines of a kernel log: decompression, archives, framing, boots.

    for source in find_sources(["/var/log"]):
        if isinstance(source, Source):
            for record in Reader(source, [b"blocked for more than"]):
                print(record.number, record.time, record.text)

This room knows nothing of what a line means: its caller passes the literals it is interested in.
"""

from unkillable.klog.bundle import Bundle
from unkillable.klog.reader import Reader
from unkillable.klog.record import Record
from unkillable.klog.sources import Problem, find_sources, sources_in
from unkillable.klog.streams import Source
from unkillable.klog.stretch import Stretch

__all__ = ["Bundle", "Problem", "Reader", "Record", "Source", "Stretch", "find_sources", "sources_in"]
