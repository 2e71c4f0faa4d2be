"""Cards as pages: Markdown by anyone, of which nothing runs and nothing is fetched elsewhere."""

import re
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup, escape

from zoo.web.pages.words import show_unseen

PICTURE = re.compile(r"\.(png|jpe?g|webp|gif)$", re.IGNORECASE)
DEEPEST = 6  # heading
FILE_URL = "file_url"  # in the environment of a rendering

FileUrl = Callable[[str], str | None]  # the path of a file of the revision to its address


def render_markdown(text: str, file_url: FileUrl) -> Markup:
    """Write Markdown as HTML: raw HTML is shown as text, addresses lead to pages or own files.

    Headings are one step lower than they say, since the page has a title already. A picture is
    shown if it is a file of the revision; any other is a link, so that nothing is fetched.
    """
    return Markup(_PARSER.render(show_unseen(text), {FILE_URL: file_url}))  # noqa: S704  # html=False


class _Renderer(RendererHTML):
    """Writes headings lower, links without a word of where they come from, and own pictures."""

    def heading_open(
        self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
    ) -> str:
        """Lower a heading."""
        tokens[index].tag = _lowered(tokens[index].tag)
        return str(self.renderToken(tokens, index, options, env))

    heading_close = heading_open

    def link_open(
        self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
    ) -> str:
        """Have a link to a file of the revision lead there, and one elsewhere tell nothing."""
        token = tokens[index]
        href = str(token.attrGet("href") or "")
        own = _own(href, env)
        if own is not None:
            token.attrSet("href", own)
        elif urlsplit(href).netloc:
            token.attrSet("rel", "noopener noreferrer nofollow")
        return str(self.renderToken(tokens, index, options, env))

    def image(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Show a picture of the revision; link to any other."""
        token = tokens[index]
        source = str(token.attrGet("src") or "")
        words = self.renderInlineAsText(token.children, options, env)
        own = _own(source, env)
        if own is not None and PICTURE.search(urlsplit(source).path):
            return str(Markup('<img src="{}" alt="{}" loading="lazy">').format(own, words))
        if urlsplit(source).scheme not in {"http", "https"}:
            return str(escape(words))
        return str(
            Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(
                own or source, words or source
            )
        )


def _lowered(tag: str) -> str:
    return f"h{min(int(tag[1:]) + 1, DEEPEST)}"


def _own(address: str, env: EnvType) -> str | None:
    """Give the address of the revision's file that a relative address means."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or not parts.path or parts.path.startswith("/"):
        return None
    file_url: FileUrl = env[FILE_URL]
    return file_url(parts.path.removeprefix("./"))


_PARSER = MarkdownIt("commonmark", {"html": False}, renderer_cls=_Renderer).enable(
    ["table", "strikethrough"]
)
