"""
Signing in and out, and the choice of language.
"""

from __future__ import annotations

import logging
from urllib.parse import urlsplit

from flask import Blueprint, Flask, current_app, make_response, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue
from flask_login import (  # type: ignore[import-untyped]
    LoginManager,
    UserMixin,
    current_user,
    login_user,
    logout_user,
)

from console.attempts import Attempts
from console.language import COOKIE, LANGUAGES, gettext
from infra.database.users import User, Users

log = logging.getLogger("debitor.console")


class SignedIn(UserMixin):  # type: ignore[misc]  # Flask-Login has no types
    """A user as Flask-Login wants it; its id changes with the password, which ends open sessions."""

    def __init__(self, user: User) -> None:
        self.user = user

    def get_id(self) -> str:
        return self.user.session_id


def reader() -> User:
    """Who asked for this page; the guard has made sure of somebody."""
    user = current_user.user
    assert isinstance(user, User)
    return user


def configure(app: Flask, users: Users) -> None:
    """Let Flask-Login find the person of a session."""
    # Templates are told about the user by us, so that an error page can be made while the database is away.
    manager = LoginManager()
    manager.init_app(app, add_context_processor=False)

    def load(session_id: str) -> SignedIn | None:
        user = users.by_session(session_id)
        return SignedIn(user) if user else None

    manager.user_loader(load)


def add_routes(pages: Blueprint, users: Users) -> None:
    """`/login`, `/logout`, `/language`."""
    attempts = Attempts()

    @pages.get("/login")
    def login() -> ResponseReturnValue:
        """The form; whoever is signed in goes on at once."""
        if current_user.is_authenticated:
            return redirect(inside(request.args.get("next")))
        return _form()

    @pages.post("/login")
    def check_password() -> ResponseReturnValue:
        """Sign in, or say why not; the answer never tells whether an address has an account."""
        email, password = request.form.get("email", ""), request.form.get("password", "")
        address = request.remote_addr or ""
        if wait := attempts.begin(email, address):
            log.warning("user.slowed", extra={"wait_s": wait})
            response = make_response(
                _form(email, gettext("Too many attempts: wait %(seconds)s seconds and try again.", seconds=wait)), 429
            )
            response.headers["Retry-After"] = str(wait)
            return response
        user = users.verify(email, password)
        if user is None:
            log.warning("user.refused")
            return _form(email, gettext("The e-mail address and the password do not belong together.")), 401
        attempts.succeeded(email, address)
        session.clear()  # what a stranger may have put there does not become ours
        session.permanent = True
        login_user(SignedIn(user))
        log.info("user.signed_in", extra={"user": user.id})
        return redirect(inside(request.form.get("next")), 303)

    @pages.post("/logout")
    def logout() -> ResponseReturnValue:
        logout_user()
        session.clear()
        return redirect(url_for("console.login"), 303)

    @pages.post("/language")
    def choose_language() -> ResponseReturnValue:
        """Remember the language for a year."""
        response = redirect(inside(request.form.get("next")), 303)
        if (chosen := request.form.get("language", "")) in LANGUAGES:
            response.set_cookie(
                COOKIE,
                chosen,
                max_age=365 * 86_400,
                httponly=True,
                samesite="Lax",
                secure=bool(current_app.config["SESSION_COOKIE_SECURE"]),
            )
        return response


def _form(email: str = "", problem: str | None = None) -> str:
    return render_template("console/login.html", email=email, problem=problem, next=inside(request.values.get("next")))


def inside(target: str | None) -> str:
    """Where to go next: a path of ours, never another site."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return "/"
    if any(ord(char) <= 32 for char in target):  # browsers drop tabs and line ends: "/\t/evil.example"
        return "/"
    parts = urlsplit(target)
    return "/" if parts.scheme or parts.netloc else target
