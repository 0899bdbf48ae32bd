"""A report as a page of Markdown or HTML."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Literal

from terminaltables import GithubFlavoredMarkdownTable

FORMATS = ('md', 'html')

_STYLE = (
    'body{font-family:sans-serif;max-width:80em;margin:2em auto;padding:0 1em}'
    'table{border-collapse:collapse;margin:1em 0}'
    'td,th{padding:.2em .8em;border-bottom:1px solid #ccc;text-align:left}'
    'td:not(:first-child){text-align:right}img{max-width:100%}'
)


@dataclass(frozen=True)
class Block:
    """One part of a page.

    Args:
        kind (str): What it is.
        text (str): The heading, the paragraph, or what a picture shows.
        rows (Sequence[Sequence[str]]): Of a table, the head first.
        file (str): Of a picture, relative to the page.
    """

    kind: Literal['title', 'heading', 'paragraph', 'table', 'picture']
    text: str = ''
    rows: Sequence[Sequence[str]] = field(default_factory=tuple)
    file: str = ''


def render(blocks: Sequence[Block], form: str) -> str:
    """Write a page.

    Args:
        blocks (Sequence[Block]): Its parts.
        form (str): One of :data:`FORMATS`.

    Examples:
        >>> print(render([Block('title', 'a < b'), Block('paragraph', 'So.')], 'md'))
        # a < b
        <BLANKLINE>
        So.
        <BLANKLINE>
    """
    if form == 'md':
        return '\n\n'.join(map(_to_markdown, blocks)) + '\n'
    title = next((block.text for block in blocks if block.kind == 'title'), '')
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head><meta charset="utf-8">'
        f'<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n'
        + '\n'.join(map(_to_html, blocks))
        + '\n</body>\n</html>\n'
    )


def _to_markdown(block: Block) -> str:
    if block.kind == 'table':
        rows = [[cell.replace('|', '\\|') for cell in row] for row in block.rows]
        table = GithubFlavoredMarkdownTable(rows)
        table.justify_columns = dict.fromkeys(range(1, len(rows[0])), 'right')
        return table.table
    if block.kind == 'picture':
        return f'![{block.text}]({block.file})'
    marks = {'title': '# ', 'heading': '## ', 'paragraph': ''}
    return marks[block.kind] + block.text


def _to_html(block: Block) -> str:
    if block.kind == 'table':
        head, *body = ([escape(cell) for cell in row] for row in block.rows)
        lines = [f'<tr><th>{"</th><th>".join(head)}</th></tr>']
        lines += [f'<tr><td>{"</td><td>".join(row)}</td></tr>' for row in body]
        return '<table>\n' + '\n'.join(lines) + '\n</table>'
    if block.kind == 'picture':
        return f'<p><img src="{escape(block.file)}" alt="{escape(block.text)}"></p>'
    tag = {'title': 'h1', 'heading': 'h2', 'paragraph': 'p'}[block.kind]
    return f'<{tag}>{escape(block.text)}</{tag}>'
