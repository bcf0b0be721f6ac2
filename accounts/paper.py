"""How papers look: the colours of static/css/tokens.css in light, two fonts that every reader has, one page."""

from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Table, TableStyle

INK, MUTED, LINE, SUNKEN = HexColor("#13201b"), HexColor("#4a5953"), HexColor("#dae0dc"), HexColor("#edf0ee")
ACCENT, GOOD, GOOD_SOFT = HexColor("#0b6b54"), HexColor("#0a5f4b"), HexColor("#e1f1ea")
BAD, BAD_SOFT = HexColor("#a1261f"), HexColor("#fbe7e4")
WARN, WARN_SOFT = HexColor("#7a4d00"), HexColor("#fbf0d8")
WHITE = HexColor("#ffffff")

WIDTH, HEIGHT = A4
MARGIN, TOP, BOTTOM = 18 * mm, 30 * mm, 20 * mm
PADDING = 6  # points that reportlab adds within a page's margins
COLUMN = WIDTH - 2 * MARGIN
LATIN = "cp1252"  # what the fonts that every reader has can show
CELL = 3.5  # points between a cell's edge and its words

TEXT = ParagraphStyle("text", fontName="Helvetica", fontSize=9.5, leading=13.5, textColor=INK)
BOLD = ParagraphStyle("bold", TEXT, fontName="Helvetica-Bold")
SMALL = ParagraphStyle("small", TEXT, fontSize=8, leading=11)
QUIET = ParagraphStyle("quiet", SMALL, textColor=MUTED)
HEAD = ParagraphStyle("head", QUIET, fontName="Helvetica-Bold")
MONO = ParagraphStyle("mono", SMALL, fontName="Courier", fontSize=8, wordWrap="CJK")  # breaks anywhere
COMMAND = ParagraphStyle("command", MONO, leftIndent=15)
TITLE = ParagraphStyle("title", BOLD, fontSize=24, leading=29, spaceAfter=2)
SECTION = ParagraphStyle("section", BOLD, fontSize=13, leading=17, spaceBefore=14, spaceAfter=5)
PART = ParagraphStyle("part", BOLD, spaceBefore=8, spaceAfter=3)
ITEM = ParagraphStyle("item", TEXT, leftIndent=11, bulletIndent=1, spaceAfter=3)

STEP = ParagraphStyle("step", ITEM, leftIndent=15)

PASSED = ParagraphStyle("passed", SMALL, fontName="Helvetica-Bold", textColor=GOOD)
FAILED = ParagraphStyle("failed", PASSED, textColor=BAD)

ROWS = TableStyle(
    [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, LINE),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("TOPPADDING", (0, 0), (-1, -1), CELL),
        ("BOTTOMPADDING", (0, 0), (-1, -1), CELL),
    ]
)


def pages(story: Iterable[Flowable], *, title: str, words: str, **more: Any) -> bytes:
    """The document with `title` on top of each page and `words` at its foot. The same story gives the same bytes."""
    buffer = BytesIO()
    document = SimpleDocTemplate(
        buffer,
        pagesize=(WIDTH, HEIGHT),
        leftMargin=MARGIN - PADDING,
        rightMargin=MARGIN - PADDING,
        topMargin=TOP,
        bottomMargin=BOTTOM,
        title=title,
        author="Gridlease",
        lang="en",
        invariant=1,  # no time of making, no random id
        **more,
    )

    def numbered(*arguments: Any, **given: Any) -> Canvas:
        return Numbered(*arguments, subject=title, words=words, **given)

    document.build(list(story), canvasmaker=numbered)
    return buffer.getvalue()


def table(rows: Iterable[Sequence[Flowable]], widths: Sequence[float], *, heads: int = 0) -> Flowable:
    """Rows with a line below each, so many of them again on each page; `widths` are parts of the column."""
    sizes = [width * COLUMN for width in widths]
    return Table(list(map(list, rows)), colWidths=sizes, style=ROWS, repeatRows=heads, splitInRow=1)


def facts(named: Iterable[tuple[str, str]]) -> Flowable:
    """Names and what there is to say of each; of what there is nothing to say is left out."""
    return table([[cell(name, QUIET), cell(words)] for name, words in named if words], (0.24, 0.76))


def cell(words: str, look: ParagraphStyle = SMALL) -> Flowable:
    """Words in a row of a table."""
    return Paragraph(shown(words), look)


def shown(text: str) -> str:
    """As the fonts can show it, and never as markup. What they cannot show is "?"."""
    return escape(text.encode(LATIN, errors="replace").decode(LATIN))


def box(edge: Any, fill: Any) -> TableStyle:
    """A coloured box with a stronger edge on its left."""
    return TableStyle(
        [
            ("BACKGROUND", (0, 0), (-1, -1), fill),
            ("LINEBEFORE", (0, 0), (0, -1), 3, edge),
            ("LEFTPADDING", (0, 0), (-1, -1), 11),
            ("RIGHTPADDING", (0, 0), (-1, -1), 11),
            ("TOPPADDING", (0, 0), (-1, 0), 8),
            ("BOTTOMPADDING", (0, -1), (-1, -1), 8),
        ]
    )


def letterhead(canvas: Canvas, subject: str) -> None:
    """On top of each page: the mark, the name, and what this is."""
    place = HEIGHT - 21 * mm
    mark(canvas, MARGIN, place, 9 * mm)
    canvas.setFillColor(INK)
    canvas.setFont("Helvetica-Bold", 14)
    canvas.drawString(MARGIN + 12 * mm, place + 2.9 * mm, "Gridlease")
    canvas.setFillColor(MUTED)
    canvas.setFont("Helvetica", 8)
    canvas.drawRightString(WIDTH - MARGIN, place + 3.2 * mm, subject)


def foot(canvas: Canvas, page: int, pages: int, words: str) -> None:
    """At the bottom of each page: from when it is, and which page."""
    canvas.setStrokeColor(LINE)
    canvas.setLineWidth(0.5)
    canvas.line(MARGIN, BOTTOM - 6 * mm, WIDTH - MARGIN, BOTTOM - 6 * mm)
    canvas.setFillColor(MUTED)
    canvas.setFont("Helvetica", 8)
    canvas.drawString(MARGIN, BOTTOM - 10.5 * mm, words)
    canvas.drawRightString(WIDTH - MARGIN, BOTTOM - 10.5 * mm, f"Page {page} of {pages}")


def mark(canvas: Canvas, x: float, y: float, size: float) -> None:
    """static/img/icon.svg, `size` points wide, with its lower left corner at (x, y)."""
    canvas.saveState()
    canvas.translate(x, y + size)
    canvas.scale(size / 32, -size / 32)  # the drawing has 32 units, and its y grows downwards
    canvas.setFillColor(ACCENT)
    canvas.roundRect(0, 0, 32, 32, 7, stroke=0, fill=1)
    canvas.setStrokeColor(WHITE)
    canvas.setLineWidth(2.5)
    canvas.setLineCap(1)
    canvas.setLineJoin(1)
    path = canvas.beginPath()
    path.moveTo(9.5, 7.5)
    path.lineTo(6, 7.5)
    path.lineTo(6, 24.5)
    path.lineTo(9.5, 24.5)
    path.moveTo(24, 7.5)
    path.curveTo(27, 13.17, 27, 18.83, 24, 24.5)
    path.moveTo(9.5, 16)
    path.curveTo(11.4, 10, 13.8, 10, 15.7, 16)
    path.curveTo(17.6, 22, 20, 22, 21.9, 16)
    canvas.drawPath(path, stroke=1, fill=0)
    canvas.restoreState()


class Numbered(Canvas):  # type: ignore[misc]
    """Puts letterhead and foot on every page once it is known how many there are."""

    def __init__(self, *arguments: Any, subject: str, words: str, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._subject, self._words, self._kept = subject, words, list[dict[str, Any]]()

    def showPage(self) -> None:
        """Not yet."""
        self._kept.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Now."""
        for number, page in enumerate(self._kept, start=1):
            self.__dict__.update(page)
            letterhead(self, self._subject)
            foot(self, number, len(self._kept), self._words)
            super().showPage()
        super().save()
