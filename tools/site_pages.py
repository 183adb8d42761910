"""What MkDocs has to be told about pages that are read in the repository as well."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

LINK = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>\.\./[^)\s]+)\)")
CELL = re.compile(r"(?<=<td)[ >].*?</td>", re.DOTALL)
CODE = re.compile(r"<code>[^<]*</code>")
BREAK = re.compile(r"(?<=[\w)])(?:::|[_/.,(=])(?=\w)")
ROLE = re.compile(r":(?:attr|class|exc|func|meth|mod):(?=<code>)")


def on_page_markdown(
    markdown: str, *, page: Page, config: MkDocsConfig, files: Files, **_: Any
) -> str:
    """Links that leave docs/ lead to the repository; pictures from there become the site's."""
    docs = Path(config.docs_dir)
    folder = (docs / page.file.src_uri).parent

    def replace(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(folder / link["target"]))
        if path.is_relative_to(docs):
            return link[0]
        name = path.relative_to(docs.parent).as_posix()
        if link["image"]:
            if files.get_file_from_path(name) is None:
                files.append(File.generated(config, name, abs_src_path=str(path)))
            return f"![{link['text']}]({os.path.relpath(docs / name, folder)})"
        if config.repo_url:
            return f"[{link['text']}]({config.repo_url}/blob/main/{name})"
        return str(link["text"])

    return LINK.sub(replace, markdown)


def on_page_content(html: str, **_: Any) -> str:
    """What Markdown does not know of docstrings, Sphinx's roles, and of code in narrow cells."""
    html = ROLE.sub("", html).replace("::</p>", ":</p>")
    return CELL.sub(lambda cell: CODE.sub(_breakable, cell[0]), html)


def _breakable(code: re.Match[str]) -> str:
    return BREAK.sub(r"\g<0><wbr>", code[0])
