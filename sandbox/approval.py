"""The stand-in for e-conomic's approval page, where a customer grants an app access."""

from html import escape
from urllib.parse import quote

from sandbox.http import Answer, Request
from sandbox.world import World

PATH = "/secure/api1/requestaccess.aspx"
HTML = b"text/html; charset=utf-8"


def answer(request: Request, world: World) -> Answer:
    """
    Show one button per agreement of the app; pressing it goes back with `?token=`.

    With `approve=NUMBER` the answer is the redirect itself, for tests. Without
    a `redirectUrl` the token is shown for copying. No state is echoed.
    """
    query = request.query
    secret = next((s for s, public in world.secrets.items() if public == query.get("apppublictoken")), None)
    if secret is None:
        return Answer(400, b"Unknown appPublicToken.", b"text/plain")
    tokens = {grant.agreement.number: token for token, grant in world.grants.items() if grant.secret == secret}
    target = query.get("redirecturl", "")
    chosen = query.get("approve", "")
    if chosen.isdecimal() and int(chosen) in tokens:
        token = tokens[int(chosen)]
        if not target:
            return Answer(200, f"<p>Token: <code>{escape(token)}</code></p>".encode(), HTML)
        joiner = "&" if "?" in target else "?"
        location = f"{target}{joiner}token={quote(token, safe='')}"
        return Answer(302, b"", HTML, [(b"location", location.encode())])
    buttons = "".join(
        f'<p><button name="approve" value="{number}">{number} {escape(world.agreements[number].name)}</button></p>'
        for number in tokens
    )
    page = (
        '<!doctype html><html lang="da"><meta charset="utf-8"><title>Giv adgang</title>'
        f"<h1>Giv appen adgang</h1><form>"
        f'<input type="hidden" name="appPublicToken" value="{escape(query["apppublictoken"])}">'
        f'<input type="hidden" name="redirectUrl" value="{escape(target)}">{buttons}</form></html>'
    )
    return Answer(200, page.encode(), HTML)
