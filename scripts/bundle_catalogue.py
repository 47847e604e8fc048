"""Makes the catalogue that comes with the package out of kernel trees.

    python scripts/bundle_catalogue.py linux-source-5.10 linux-source-6.1 ...

The trees are whole: all architectures, drivers included. Each takes about a minute of processor time and 0.8 GB; the same trees give the
same bytes. docs/catalogue.md names those that the package has.
"""

from __future__ import annotations

import sys
from pathlib import Path

from unkillable import __version__
from unkillable.errors import UserError
from unkillable.ksource.catalogue import catalogue
from unkillable.ksource.tree import Tree
from unkillable.versions import version_key
from unkillable.waits.bundled import NAME
from unkillable.waits.generated import Generated, Kernel, pack

BUNDLE = Path(__file__).resolve().parents[1] / "src/unkillable/waits/data" / NAME


def main(roots: list[str]) -> int:
    kernels: list[Kernel] = []
    for root in roots:
        kernels.append(catalogue(Tree(Path(root)), __version__))
        print(f"{root}: Linux {kernels[-1].version}, {len(kernels[-1].functions)} functions", flush=True)
    kernels.sort(key=lambda one: version_key(one.version))
    packed = pack(kernels)
    Generated(packed, NAME)  # it can be read again
    aside = BUNDLE.with_suffix(".new")
    aside.write_bytes(packed)
    aside.replace(BUNDLE)
    print(f"{BUNDLE}: {len(packed)} bytes")
    return 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    try:
        sys.exit(main(sys.argv[1:]))
    except UserError as error:
        sys.exit(str(error))
