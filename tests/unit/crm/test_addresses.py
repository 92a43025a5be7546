"""Which addresses events may go to."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from infra.crm.addresses import AddressRefused, check_url, choose, is_public, resolve

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
REFUSED = {
    "loopback": "127.0.0.1 127.8.9.1 0.0.0.0 ::1 :: localhost 2130706433 0x7f.1",
    "private": "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 fc00::1",
    "link-local": "169.254.1.1 fe80::1 fe80::1%eth0",
    "metadata": "169.254.169.254 169.254.170.2 100.100.100.200 168.63.129.16 192.0.0.192 fd00:ec2::254",
    "shared, reserved": "100.64.0.1 192.0.2.1 198.18.0.1 203.0.113.9 240.0.0.1 255.255.255.255 2001:db8::1 ::7f00:1",
    "multicast": "224.0.0.1 239.1.1.1 ff02::1",
    "IPv4 in IPv6": "::ffff:127.0.0.1 ::ffff:169.254.169.254 ::ffff:10.0.0.1",
    "translated": "64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::808:808",
    "tunnelled": "2002:7f00:1:: 2002:a00:1:: 2001:0:0:0:0:0:80ff:fffe",
}


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses(address: str) -> None:
    """Out on the internet, also where IPv6 stands for IPv4."""
    assert is_public(address)


@pytest.mark.parametrize("address", " ".join(REFUSED.values()).split())
def test_addresses_events_must_not_go_to(address: str) -> None:
    """Private, link-local, loopback, shared, multicast, reserved, metadata, hidden in IPv6, and what is no address."""
    assert not is_public(address)


def leads_to(*addresses: str) -> Sequence[str]:
    return choose("crm.example", 443, internal=False, resolve=lambda host, port: list(addresses))


def test_a_host_with_several_addresses() -> None:
    """Only its public ones are used; with none of them nothing is; an internal endpoint may use all."""
    assert leads_to("10.0.0.1", "8.8.8.8", "127.0.0.1", "8.8.8.8") == ["8.8.8.8"]
    with pytest.raises(AddressRefused, match=r"crm\.example is 169\.254\.169\.254"):
        leads_to("169.254.169.254", "::1")
    with pytest.raises(OSError, match="no address"):
        leads_to()
    assert choose("crm", 80, internal=True, resolve=lambda host, port: ["10.0.0.1"]) == ["10.0.0.1"]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "::1"])
def test_other_spellings_of_loopback(host: str) -> None:
    """However the resolver of this machine lets somebody write it."""
    with pytest.raises((AddressRefused, OSError)):
        choose(host, 80, internal=False, resolve=resolve)


@pytest.mark.parametrize("host", ["a..b", "x" * 300, "nowhere.invalid"])
def test_names_that_lead_nowhere(host: str) -> None:
    """An error of the way, which is tried again, never one of ours."""
    with pytest.raises(OSError):
        resolve(host, 443)


def test_urls_that_are_taken() -> None:
    """https anywhere, http to what is internal."""
    assert check_url(" https://crm.example/hooks?key=1 ", internal=False) == "https://crm.example/hooks?key=1"
    assert check_url("http://10.0.0.7:8080", internal=True) == "http://10.0.0.7:8080"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "crm.example",
        "http://crm.example/",
        "ftp://crm.example/",
        "file:///etc/passwd",
        "https://",
        "https:///hooks",
        "https://user:password@crm.example/",
        "https://crm.example/#part",
        "https://crm.example:99999/",
        "https://crm.example:port/",
        "https://[::1/",
        "https://a\0b/",
        "https://crm.example/" + "x" * 2_000,
    ],
)
def test_urls_that_are_not(url: str) -> None:
    """Neither another scheme, nor a password in it, nor what is no address at all."""
    with pytest.raises(ValueError):
        check_url(url, internal=False)
