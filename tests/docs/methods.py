"""The packages that pages have a reader write."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest

from tests.docs.pages import ROOT, blocks_of


@pytest.fixture(scope="module")
def my_methods(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """``my_methods`` of docs/adding_a_method.md can be imported."""
    folder = tmp_path_factory.mktemp("docs")
    (folder / "my_methods").mkdir()
    for block in blocks_of(ROOT / "docs" / "adding_a_method.md"):
        if named := re.match(r'"""my_methods/(\w+\.py)|"""(MaskedTwin):|# (MaskedTwin),', block.text):
            name = named[1] or (f"{named[2].lower()}.py" if named[2] else f"{named[3]}.yaml")
            (folder / "my_methods" / name).write_text(block.text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
    for module in [name for name in sys.modules if name.split(".")[0] == "my_methods"]:
        del sys.modules[module]
