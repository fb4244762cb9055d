"""Ready mappings of other systems' exports (`--from`), one module a system."""

from __future__ import annotations

from tallystick.cli.importing.presets.amplitude import AMPLITUDE
from tallystick.cli.importing.presets.base import Imported, Preset, Row
from tallystick.cli.importing.presets.ga4 import GA4
from tallystick.cli.importing.presets.goatcounter import GOATCOUNTER
from tallystick.cli.importing.presets.matomo import MATOMO
from tallystick.cli.importing.presets.mixpanel import MIXPANEL
from tallystick.cli.importing.presets.plausible import PLAUSIBLE
from tallystick.cli.importing.presets.posthog import POSTHOG
from tallystick.cli.importing.presets.umami import UMAMI

__all__ = ["PRESETS", "Imported", "Preset", "Row"]

PRESETS = {preset.name: preset for preset in (UMAMI, PLAUSIBLE, GOATCOUNTER, MATOMO, MIXPANEL, AMPLITUDE, POSTHOG, GA4)}
"""Every ready mapping, by the name that `--from` takes."""
