"""What a ready mapping is: a function from one row of another system's export to one event."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TypeAlias

import msgspec

from tallystick.errors import InvalidRequest
from tallystick.ingest.enrich.page import AD_CLICKS, CAMPAIGN, PageRules, read_page
from tallystick.model.queries.channels import HOST

Row: TypeAlias = Mapping[str, object]
"""One row of a file: JSON values by column. A CSV file's cells are texts; empty ones are left out."""

COUNTRY = "$geoip_country_code"
PAGE_VIEW = "page_view"

_WITHOUT_OFFSET = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?")


class Imported(msgspec.Struct, omit_defaults=True):
    """The event of one row, before the server's rules apply.

    Attributes:
        timestamp: whatever the time rule reads.
        page: its page's URL, its referrer, and whether the URL's host is known; see `put_page`.
    """

    name: str | None = None
    event_id: str | None = None
    site_id: str | None = None
    timestamp: str | int | Decimal | None = None
    user_id: str | None = None
    session_id: str | None = None
    source: str | None = None
    path: str | None = None
    properties: dict[str, object] = msgspec.field(default_factory=dict)
    page: tuple[str | None, str | None, bool] | None = None

    def put(self, name: str, value: object) -> None:
        """Set a property, unless the value is empty or the property is there."""
        if value is not None and value != "" and value != {} and value != [] and name not in self.properties:
            self.properties[name] = value

    def put_page(self, url: str | None, referrer: str | None, *, host_known: bool = True) -> None:
        """Note a page's URL and its referrer, which `finish` reads.

        Args:
            host_known: whether the URL's host is the page's; else only its path and its query are read.
        """
        self.page = (url, referrer, host_known)

    def finish(self, rules: PageRules) -> None:
        """Set what page and referrer say, such as `path`, `$host`, `$referring_domain`; what is there stays."""
        if self.path is not None:
            self.path = rules.paths.apply(self.path)
        if self.page is None:
            return
        url, referrer, host_known = self.page
        page = read_page(url or "", referrer or "", rules)
        if self.path is None:
            self.path = page.path
        self.put("$referrer", referrer)
        if host_known:
            self.put("$current_url", url)
        for name, value in page.properties.items():
            if host_known or name != HOST:
                self.put(name, value)


class Preset(msgspec.Struct, frozen=True):
    """A ready mapping.

    Attributes:
        name: as `--from` takes it.
        title: the system's name.
        reads: the export that it reads, for people.
        columns: columns that every row of the export can have; the first row of a file must have all of them.
        event: the event of a row. Raises ValueError when the row is not one of the export's.
        rows: the rows of one record of the file, when it holds several (a visit with its actions).
        refuse: the sentence for a file that the system exports as well but that has no events; None for any other file.
        local_epoch: whether numbers count local time as if it were UTC, when `--timezone` says which local time.
        site_column: the column that tells several sites of one export apart; `--map site_id=…` makes them sites.
    """

    name: str
    title: str
    reads: str
    columns: tuple[str, ...]
    event: Callable[[Row], Imported]
    rows: Callable[[Row], Iterable[Row]] | None = None
    refuse: Callable[[Sequence[str]], str | None] = lambda columns: None
    local_epoch: bool = False
    site_column: str | None = None

    def check(self, columns: Sequence[str]) -> None:
        """Raises InvalidRequest when a file with these columns is not the export that the mapping reads."""
        if sentence := self.refuse(columns):
            raise InvalidRequest(sentence)
        if missing := [column for column in self.columns if column not in columns]:
            raise InvalidRequest(
                f"this is no export of {self.title} that --from {self.name} reads ({self.reads}): "
                f"it has no {', '.join(missing)}"
            )


def text(value: object) -> str | None:
    """The value as text; None when it is missing, empty, or an object or array."""
    if value is None or value == "" or isinstance(value, dict | list):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def utc(value: object) -> str | int | Decimal | None:
    """A time of an export whose times are UTC, whether or not they say so. Numbers are returned as they are."""
    if isinstance(value, str):
        value = value.strip()
        return f"{value}Z" if _WITHOUT_OFFSET.fullmatch(value) else value
    return value if isinstance(value, int | Decimal) and not isinstance(value, bool) else None


def members(value: object) -> dict[str, object]:
    """The members of a JSON object, which some exports write as text; empty when it is neither.

    Raises:
        ValueError: the text is no JSON object.
    """
    if isinstance(value, str) and value.strip():
        try:
            return OBJECT.decode(value)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValueError(f"{value[:64]!r} is no JSON object") from error
    return dict(value) if isinstance(value, dict) else {}


OBJECT = msgspec.json.Decoder(dict[str, object], float_hook=Decimal)
"""Decodes one JSON object and keeps the digits of its numbers."""


def put_campaign(event: Imported, row: Row, names: Mapping[str, str] | None = None) -> None:
    """Set `utm_…` and `$ad_click` from columns of these names, or from those in `names` (property → column)."""
    names = names or {}
    for name in CAMPAIGN:
        event.put(name, text(row.get(names.get(name, name))))
    if click := next((name for name in AD_CLICKS if text(row.get(name))), None):
        event.put("$ad_click", click)  # not its value, which identifies a single click and so a person


def rest(row: Row, used: Iterable[str]) -> dict[str, object]:
    """The row without the columns in `used`."""
    used = set(used)
    return {name: value for name, value in row.items() if name not in used}


BROWSERS = {
    "chrome": "Chrome",
    "chrome mobile": "Chrome",
    "crios": "Chrome iOS",
    "chrome mobile ios": "Chrome iOS",
    "chromium-webview": "Chrome Mobile WebView",
    "edge": "Microsoft Edge",
    "edge-chromium": "Microsoft Edge",
    "edge-ios": "Microsoft Edge",
    "microsoft edge": "Microsoft Edge",
    "facebook": "Facebook",
    "firefox": "Firefox",
    "firefox mobile": "Firefox",
    "fxios": "Firefox iOS",
    "ie": "Internet Explorer",
    "internet explorer": "Internet Explorer",
    "instagram": "Instagram",
    "ios": "Mobile Safari",
    "ios-webview": "Mobile Safari UI/WKWebView",
    "mobile safari": "Mobile Safari",
    "opera": "Opera",
    "opera mobile": "Opera",
    "safari": "Safari",
    "safari (in-app)": "Mobile Safari UI/WKWebView",
    "samsung": "Samsung Internet",
    "samsung browser": "Samsung Internet",
    "samsung internet": "Samsung Internet",
    "yandexbrowser": "Yandex Browser",
}
"""Browsers as other systems name them, in lower case → as Tallystick's enrichment names them."""

_SYSTEMS = (
    ("windows", "Windows"),
    ("mac", "Mac OS X"),
    ("os x", "Mac OS X"),
    ("ios", "iOS"),
    ("ipados", "iOS"),
    ("android", "Android"),
    ("chrome os", "Chrome OS"),
    ("chromium os", "Chrome OS"),
    ("ubuntu", "Ubuntu"),
    ("fedora", "Fedora"),
    ("gnu/linux", "Linux"),
    ("linux", "Linux"),
)
"""How the names of operating systems begin, in lower case → as Tallystick's enrichment names them."""

_DEVICES = {
    "desktop": "Desktop",
    "laptop": "Desktop",
    "bureau": "Desktop",
    "mobile": "Mobile",
    "smartphone": "Mobile",
    "phablet": "Mobile",
    "feature phone": "Mobile",
    "phone": "Mobile",
    "tablet": "Tablet",
    "tv": "TV",
    "smart tv": "TV",
    "console": "Console",
}


def browser(value: object) -> str | None:
    """A browser under the name that Tallystick gives it; unknown ones keep theirs."""
    name = text(value)
    return BROWSERS.get(name.lower(), name) if name else None


def system(value: object) -> str | None:
    """An operating system without its version, under the name that Tallystick gives it; unknown ones keep theirs."""
    name = text(value)
    lower = name.lower() if name else ""
    return next((known for start, known in _SYSTEMS if lower.startswith(start)), name)


def device(value: object) -> str | None:
    """Desktop, Mobile, Tablet, TV or Console; unknown ones keep their name."""
    name = text(value)
    return _DEVICES.get(name.lower(), name) if name else None


def major(value: object) -> int | None:
    """The first number of a version."""
    name = text(value)
    first = name.partition(".")[0] if name else ""
    return int(first) if first.isascii() and first.isdigit() else None


def country(value: object) -> str | None:
    """A country's two letters in upper case; None for anything else (Plausible fills unknown ones with zero bytes)."""
    code = (text(value) or "").strip("\0 ").upper()
    return code if len(code) == 2 and code.isascii() and code.isalpha() and code not in ("XX", "ZZ") else None
