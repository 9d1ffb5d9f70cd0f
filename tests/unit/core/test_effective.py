"""The settings as they count: inherited, from the cloud, and nothing secret."""

from pillarbox.core.effective import effective
from pillarbox.core.settings import describe, load


def test_each_setting_is_told_once_with_what_it_means() -> None:
    told = list(effective(load(None, {})))
    assert [one.key for one in told] == [key for key, _ in describe() if key != "smtp.listeners"]
    assert all(one.meaning for one in told)


def test_a_listener_shows_what_it_inherits_and_from_where() -> None:
    flags = {"smtp.max_size": "1000", "smtp.listeners.old.listen": "127.0.0.1:2526"}
    told = {one.key: one for one in effective(load(None, {}, flags))}
    assert told["smtp.listeners.old.max_size"][2:] == (1000, "--set smtp.max_size")
    assert told["smtp.listeners.old.listen"][2:] == ("127.0.0.1:2526", "--set smtp.listeners.old.listen")
    assert told["smtp.listeners.old.banner"].origin == "default"


def test_an_address_that_is_not_set_is_the_clouds() -> None:
    told = {one.key: one for one in effective(load(None, {}, {"microsoft.cloud": "china"}))}
    assert told["microsoft.graph_url"][2:] == ("https://microsoftgraph.chinacloudapi.cn", "cloud china")


def test_a_secret_is_stars_and_one_that_is_not_set_is_nothing() -> None:
    told = {one.key: one for one in effective(load(None, {"PILLARBOX_ADMIN__PASSWORD": "hunter22 hunter22"}))}
    assert set(told["admin.password"].value) == {"*"}
    assert told["admin.password"].origin == "PILLARBOX_ADMIN__PASSWORD"
    assert told["microsoft.proxy"].value == ""
