"""What quotas of names begin with (G5): every store says which names and property keys each site has."""

from __future__ import annotations

import msgspec
import pytest

from tallystick.config import Settings
from tallystick.ingest import stored_names as module
from tallystick.ingest.stored_names import stored_names
from tallystick.store import Store
from tests.helpers.samples import block_of, sample_event


async def test_every_name_of_each_site(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    events = [
        msgspec.structs.replace(sample_event(number), site_id=site, name=name, properties=msgspec.Raw(properties))
        for number, (site, name, properties) in enumerate(
            [
                ("shop", "a", b'{"x":1}'),
                ("shop", "b", b'{"y":{"z":1}}'),
                ("shop", "a", b"{}"),
                ("blog", "a", b'{"x":2}'),
                ("blog", "ü", b"{}"),
            ]
        )
    ]
    await store.write([block_of(0, events)])
    both = Settings(quota_site_names=1, quota_site_properties=1)
    assert sorted(await stored_names(store, both)) == [
        ("key", "blog", "x"),
        ("key", "shop", "x"),
        ("key", "shop", "y"),
        ("name", "blog", "a"),
        ("name", "blog", "ü"),
        ("name", "shop", "a"),
        ("name", "shop", "b"),
    ]
    assert {kind for kind, _, _ in await stored_names(store, Settings())} == {"name"}
