"""The device's console out of a LAVA job's log, for unkillable:

    lavacli jobs logs --raw JOB | python console.py | unkillable diagnose --exit-code -

The log that LAVA's web page offers as YAML (output.yaml) does as well.  Needs PyYAML.
"""

import sys

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""A log of a long job takes minutes without libyaml."""


def main() -> None:
    for line in yaml.load(sys.stdin, Loader=LOADER) or ():  # noqa: S506  both are safe
        message = line.get("msg", "")
        if line.get("lvl") == "target":
            text = message.decode(errors="replace") if isinstance(message, bytes) else str(message)
            print(text.rstrip("\r\n"))


if __name__ == "__main__":
    main()
