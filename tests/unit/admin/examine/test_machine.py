"""What the doctor says of the machine."""

from pathlib import Path

import pytest

from pillarbox.admin.examine.machine import judge_ca_variables, judge_file_system, judge_room, kind_of

MIB = 1024 * 1024
MOUNTS = r"""
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw shared:2 - proc proc rw
30 21 0:40 / /srv rw,relatime shared:9 - nfs4 nas.contoso.example:/mail rw,vers=4.2
31 30 8:2 / /srv/disk rw,relatime - xfs /dev/sdb1 rw
32 21 0:41 / /mnt/two\040words rw - cifs //nas/share rw
33 21 0:42 / /over rw - ext4 /dev/sdc1 rw
34 33 0:43 / /over rw - tmpfs tmpfs rw
35 21 0:44 / /mnt/資料\040庫 rw - 9p share rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/lib/pillarbox", "ext4"),
        ("/srv/pillarbox", "nfs4"),
        ("/srv/disk/pillarbox", "xfs"),
        ("/srvother", "ext4"),
        ("/mnt/two words/x", "cifs"),
        ("/over/x", "tmpfs"),
        ("/mnt/資料 庫/x", "9p"),
    ],
)
def test_the_file_system_is_that_of_the_innermost_and_last_mount(path: str, kind: str) -> None:
    assert kind_of(MOUNTS, Path(path)) == kind


@pytest.mark.parametrize(
    ("kind", "severity"),
    [
        ("ext4", "ok"),
        ("nfs4", "problem"),
        ("cifs", "problem"),
        ("9p", "problem"),
        ("overlay", "warning"),
        ("", "skipped"),
    ],
)
def test_a_store_on_a_network_or_in_a_container_is_told(kind: str, severity: str) -> None:
    finding = judge_file_system(Path("/var/lib/pillarbox"), kind)
    assert finding.severity == severity
    assert "/var/lib/pillarbox" in finding.sentence


@pytest.mark.parametrize(("free", "severity"), [(100 * MIB, "problem"), (1000 * MIB, "warning"), (9000 * MIB, "ok")])
def test_a_disk_that_fills_is_told_in_time(free: int, severity: str) -> None:
    finding = judge_room(Path("/var/lib/pillarbox"), free)
    assert (finding.severity, f"{free // MIB:,} MiB" in finding.sentence) == (severity, True)


def test_variables_that_do_not_count_are_named() -> None:
    (finding,) = judge_ca_variables({"SSL_CERT_FILE": "/etc/proxy.pem", "CURL_CA_BUNDLE": "", "HOME": "/"})
    assert (finding.severity, finding.sentence.split(":")[0]) == ("warning", "SSL_CERT_FILE")
    (finding,) = judge_ca_variables({"HOME": "/"})
    assert finding.severity == "ok"
