"""docs/how-to/emulator.md: its examples do what the page says."""

import json
import re
from pathlib import Path

from pillarbox.emulator import Faults, SigningKey, World, rule_file
from pillarbox.emulator.seed_file import plant

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "emulator.md"
SEED, FAX, RULES = re.findall(r"```toml\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


def test_the_seed_file_can_be_planted(tmp_path: Path, signing_key: SigningKey) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "1.eml").write_bytes(b"Subject: x\r\n\r\ny")
    (tmp_path / "k8s-keys.json").write_text(json.dumps({"keys": [signing_key.jwk("x")]}))
    (tmp_path / "seed.toml").write_text(SEED + FAX, "utf-8")
    world = World()
    plant(world, tmp_path / "seed.toml")
    tenant = world.only_tenant()
    assert {app.name for app in tenant.apps.values()} == {"Scanner", "Help desk", "Kiosk", "Fax"}
    assert len(list(world.mailbox("sales@fabrikam.example").messages(9e9))) == 1


def test_the_rules_are_rules(tmp_path: Path) -> None:
    (tmp_path / "rules.toml").write_text(RULES, "utf-8")
    faults = Faults()
    rule_file.read(tmp_path / "rules.toml").apply(World(), faults)
    assert [rule.status for rule in faults] == [504, 429, 401]
