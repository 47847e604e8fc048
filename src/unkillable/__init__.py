"""Why won't it die?  Find out why a Linux box froze when its memory ran out.

    import unkillable

    found = unkillable.diagnose("console.log")
    print(found.verdict.kind, found.verdict.summary)

What is public is listed in `__all__` and described in docs/library.md.
"""

# ruff: noqa: F403, F405  the names are those of the library's `__all__`

__version__ = "0.1.0"

TYPE_CHECKING = False  # typing's own would have to be imported
if TYPE_CHECKING:
    from unkillable.library import *

__all__ = [
    "KINDS", "Advice", "AllocProblem", "BootSummary", "Coverage", "Crash", "Diagnosis", "Edge", "Event", "Fact", "Frame",
    "FsError", "Graph", "HungTask", "KernelInfo", "Lockup", "Log", "MemInfo", "Memory", "Missing", "Node",
    "OomKill", "OomReport", "OomTask", "Problem", "Quote", "Stack", "Statement", "UserError", "Verdict",
    "Victim", "Waiter", "Zone", "__version__", "diagnose", "diagnose_all",
]  # fmt: skip


if not TYPE_CHECKING:  # with it, a checker would believe in any name

    def __getattr__(name: str) -> object:
        """Loads the library at its first use: `unkillable --version` needs none of it."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from unkillable import library

        found: object = getattr(library, name)
        globals()[name] = found
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
