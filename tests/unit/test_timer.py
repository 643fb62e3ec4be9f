"""What a timer is made of: the command and the variables that the shell had."""

from wizard import timer


def test_what_leads_to_the_network_reaches_the_timer() -> None:
    """Programs read proxies in either case, and a bundle of roots by several names."""
    environ = {
        "http_proxy": "http://proxy.example.com:3128",
        "https_proxy": "http://proxy.example.com:3128",
        "no_proxy": "localhost",
        "REQUESTS_CA_BUNDLE": "/etc/ssl/company.pem",
        "CURL_CA_BUNDLE": "/etc/ssl/company.pem",
        "SSL_CERT_FILE": "/etc/ssl/company.pem",
    }
    wish = timer.Wish.gather("registry", environ | {"AWS_SECRET_ACCESS_KEY": "x", "EDITOR": "vi"})
    assert wish.environment == environ
    for name, value in environ.items():
        assert f'Environment="{name}={value}"' in wish.files()[f"{wish.unit}.service"]
        assert f"{name}={value}" in wish.cron_line()


def test_a_proxy_with_a_password_stays_out_of_files() -> None:
    environ = {"https_proxy": "http://me:word@proxy.example.com:3128"}
    assert timer.Wish.gather("registry", environ).environment == {}
