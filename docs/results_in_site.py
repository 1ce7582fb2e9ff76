"""Hooks of mkdocs: the pages of ``results/`` join the site, and links that lead out of ``docs/`` are mended for it.

Pages are written for a reader of the repository. A link to a page of results, or from one to a page of ``docs/``, is
turned into the site's; a link to a file that the site does not show becomes its text.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
_SHOWN = {".md", ".svg", ".png", ".yaml"}  # of results; archives of runs are left out
_LINK = re.compile(r"(?<!!)\[([^\]]*)\]\((?!\w+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what ``results/`` has for readers."""
    for path in sorted((ROOT / "results").rglob("*")):
        if path.suffix in _SHOWN:
            name = path.relative_to(ROOT).as_posix()
            files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Mends the links of a page."""
    place = posixpath.dirname(page.file.src_uri)
    folder = place if place == "results" else posixpath.join("docs", place)

    def mended(link: re.Match[str]) -> str:
        text, to, anchor = link.groups(default="")
        target = posixpath.normpath(posixpath.join(folder, to))
        if not (ROOT / target).exists():
            return link[0]  # of which mkdocs warns
        shown = target.removeprefix("docs/")
        return (
            f"[{text}]({posixpath.relpath(shown, place or '.')}{anchor})" if files.get_file_from_path(shown) else text
        )

    return _LINK.sub(mended, markdown)
