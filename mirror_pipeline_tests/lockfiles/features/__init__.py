"""The features of lock formats, each shown by the smallest lock that has it (``docs/lock-files.md``)."""

import pytest

# Checks assert in modules that are no tests themselves: without this a failure would not say what differs.
pytest.register_assert_rewrite(
    *(f"{__name__}.{name}" for name in ("checks", "own_refusals", "own_selection", "reading"))
)
