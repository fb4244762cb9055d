"""Headers, and what each GET answers to them."""

from __future__ import annotations

from tests.attack.http.bad_input.shapes import READ_KEY, Head

HEADS: tuple[Head, ...] = (
    Head(
        "nonsense in every header",
        (
            "accept: text/ÿ",
            "accept-language: " + "x-," * 2_000,
            "range: bytes=9-1,-0",
            "if-none-match: W/ÿ",
            "if-range: ÿ",
            "referer: http://[ÿ",
            "user-agent: " + "Mozilla/" * 500,
            "cookie: =ÿ; ;;==; " + "a=b; " * 500,
            "x-forwarded-for: ÿ, ::::, [::1",
            "forwarded: for=ÿ",
        ),
        """
        others | 200
        /v1/values | 400 invalid_request: field: this field is required
        /v1/person-data | 400 invalid_request: user_id: this field is required
        /v1/reports/{report_id} | 404 not_found: there is no report '999'
        /v1/boards/{board_id}, /v1/boards/{board_id}/shares | 404 not_found: there is no board '999'
        /v1/receipts/{receipt} | 404 not_found: that does not have the form of a receipt
        /v1/dead/{letter_id} | 404 not_found: there is no dead letter 999
        /v1/shared | 401 unauthorized: this needs the token of a share link
        /v1/account/sessions | 401 unauthorized: this needs a login
        /api/stats | 400: site_id query parameter is required
        /stats | 400: site_id required
        """,
    ),
    Head(
        "two keys of two headers",
        (f"authorization: Bearer {READ_KEY}",),
        """
        others | 400 invalid_request: the request has two different keys in its headers: send one
        /healthz, /readyz, /metrics, /v1/enrichment, /, /health | 200
        /v1/shared | 401 unauthorized: this needs the token of a share link
        /analytics/stats, /api/analytics/stats, /analytics/events, /api/analytics/events | 400: the request has two
        /v1/analytics/events/daily, /v1/analytics/events/summary, /v1/analytics/event-types | 400: the request has two
        /v1/analytics/events/raw, /healthz/detailed, /api/stats, /stats | 400: the request has two
        """,
    ),
)
