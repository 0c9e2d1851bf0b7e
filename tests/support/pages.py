"""What the tests of the page share: a page made of a journal, and its elements as read."""

import json
import re
from html.parser import HTMLParser

from tests.support import journals
from timelift.analyse import results
from timelift.analyse.findings import find_out
from timelift.commands.additions import additions, verdicts_on_copies
from timelift.present import terminal
from timelift.present.document import to_markdown
from timelift.present.full_report import full_report
from timelift.present.page import page_html, page_scripts, page_tables, write_report
from timelift.present.summary import Additions, summary
from timelift.present.usage import NO_CODE

FEW = ("native", "loop_slice", "time_distributed")
#: Names that would do harm where they are not escaped.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=http://evil.example/x onerror=alert(1)>',
    "</title></style></script><script src=//evil.example></script>",
    "a\x1b[31mred",
    "{{ 7 * 7 }}{% raw %}",
    "=HYPERLINK(1)",
    "javascript:alert(1)",
    "constructor",
    "__proto__",
)


def found(path, *records):
    return find_out(results.load(journals.write(path, *records)))


def made(folder, *records, code=NO_CODE):
    seen = found(folder / "run.jsonl", *records)
    document = full_report(seen)
    html = page_html(seen, document, page_tables(seen, document), code=code)
    (folder / "report").mkdir(exist_ok=True)
    (folder / "report" / "index.html").write_text(html)
    return html


def drawn(folder, cases, **how):
    """The file of the page of a run of these cases."""
    made(folder, journals.header(), *journals.campaign(cases, **how), journals.END)
    return folder / "report" / "index.html"


def reported(path):
    """The page of a stored run, with all files of the report in `report` beside it."""
    seen = find_out(results.load(path))
    folder = path.parent
    write_report(seen, folder / "report", additions(seen.run, folder), NO_CODE, folder)
    return (folder / "report" / "index.html").read_text()


class Elements(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags = []
        self.words = []
        self._silent = 0
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._silent += tag in ("script", "style", "title")

    def handle_endtag(self, tag):
        self._silent -= tag in ("script", "style", "title")

    def handle_data(self, data):
        if not self._silent and data.strip():
            self.words.append(" ".join(data.split()))


def surfaces(seen):
    """What is told of a run, by the surface that tells it."""
    words = full_report(seen, Additions(verdicts=verdicts_on_copies(seen.run)))
    return {
        "page": page_html(seen, words),
        "ending": terminal.to_text(summary(seen), 400),
        "terminal": terminal.to_text(words, 400, at_length=True),
        "markdown": to_markdown(words),
    }


def section(html, anchor):
    begun = html.index(f'<section id="{anchor}"')
    return html[begun : html.index("</section>", begun)]


#: The data of a page, in which every `<` is escaped.
DATA = re.compile(r'<script type="application/json" id="data">([^<]*)</script>')
#: The beginnings of what a page links to.
_LINKED = ("#", "data:,", "tables/", "figures/", "report.md", "measurements.csv")


def data(html):
    return json.loads(DATA.search(html)[1])


def loads(html):
    """Whatever a browser would fetch, or follow to another host."""
    named = [
        value
        for tag, attributes in Elements(html).tags
        for name, value in attributes.items()
        if value and name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster")
        if not value.startswith(_LINKED)
    ]
    styles = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    return named + [one for style in styles for one in re.findall(r"url\([^#]|@import", style)]


def without_scripts(html):
    """A page without its own scripts, each left out once."""
    for script in page_scripts():
        html = html.replace(f"<script>{script}</script>", "", 1)
    return html


def harm(html):
    """Elements and attributes that no page of ours has."""
    rest = without_scripts(html)
    tags = Elements(DATA.sub("", rest, count=1)).tags
    strange = [tag for tag, _ in tags if tag in _STRANGE]
    handlers = [name for _, attributes in tags for name in attributes if name.startswith("on")]
    control = re.findall(r"[\x00-\x08\x0b-\x1f\x7f]", rest)
    return [*strange, *handlers, *control]


_STRANGE = ("script", "img", "iframe", "object", "embed", "base")
