"""The two sessions: a login, and the brokerage session upon it (ibkr §2).

House rules: every change of state is told once, as the keys that changed, to whoever listens; time
comes in as `now`, and whatever ends by itself ends in `step`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from pitwire.model.clock import MILLISECOND, SECOND
from pitwire.model.entropy import Entropy
from pitwire.sim.facades.ibkr_options import IbkrOptions

_DAY = 86_400 * SECOND
_NEVER = 1 << 62


class IbkrSession:
    """Who is logged in, and whether orders and market data are to be had.

    States: logged out; SSO only; ready; competing, which is when another login has the brokerage
    session. `connected` is the line to the broker, whoever is logged in.
    """

    def __init__(
        self,
        options: IbkrOptions,
        entropy: Entropy,
        *,
        changed: Callable[[Mapping[str, object], int], None],
        over: Callable[[str, int], None],
    ) -> None:
        self._options = options
        self._ids = entropy.stream("ibkr/sessions")
        self._changed = changed
        self._over = over
        """Told `brokerage` or `login` when that is over, and of a `reset`."""
        self.id = ""
        self.logged_in = False
        self.connected = True
        self.competing = False
        self.takeovers = 0
        """How often a client threw another login out: what fights do."""
        self._authenticated_at: int | None = None
        """From when on the brokerage session is there; None: it was not asked for."""
        self._established_at = _NEVER
        self._told: dict[str, object] = {}
        self._began = 0
        self._heard = 0
        self._human_at: int | None = None
        self._barred_until = 0
        """No brokerage session can be opened before."""
        self._rival_until: int | None = None
        """How long another login keeps the session; None: there is none."""
        self._reset_at: int | None = None
        self._is_begun = False

    # -- what is so

    def authenticated(self, now: int) -> bool:
        """Whether the brokerage session is accepted."""
        at = self._authenticated_at
        return self.logged_in and not self.competing and at is not None and now >= at

    def established(self, now: int) -> bool:
        """Whether it is really ready."""
        return self.authenticated(now) and now >= self._established_at

    def status(self, now: int) -> dict[str, object]:
        """What a client is told of it, without `fail`."""
        options = self._options
        own = self.authenticated(now)
        return {
            "authenticated": own or (self.competing and options.competing_authenticated),
            "established": self.established(now),
            "competing": self.competing,
            "connected": self.connected,
            "message": "",
            "MAC": options.mac,
            "serverInfo": {
                "serverName": options.server_name,
                "serverVersion": options.server_version,
            },
            "hardware_info": f"21026956|{options.mac}",
        }

    def tickled(self, now: int) -> dict[str, object]:
        """The answer to `/tickle`."""
        left = max(0, self._began + self._span(self._options.life_seconds) - now)
        shown = self.status(now)
        del shown["hardware_info"]
        return {
            "session": self.id,
            "ssoExpires": left // MILLISECOND,
            "collission": False,
            "userId": self._options.user_id,
            "hmds": {"error": "no bridge"},
            "iserver": {"authStatus": shown},
        }

    def validated(self, now: int) -> dict[str, object]:
        """The answer to `/sso/validate`."""
        user, paper = self._options.user, self._options.is_paper
        left = max(0, self._began + self._span(self._options.life_seconds) - now)
        return {
            "USER_ID": self._options.user_id, "USER_NAME": user, "RESULT": True,
            "AUTH_TIME": self._began // MILLISECOND, "SF_ENABLED": False, "IS_FREE_TRIAL": False,
            "CREDENTIAL": user, "IP": "127.0.0.1", "EXPIRES": left // MILLISECOND,
            "QUALIFIED_FOR_MOBILE_AUTH": None, "LANDING_APP": "UNIVERSAL", "IS_MASTER": False,
            "lastAccessed": self._heard // MILLISECOND, "LOGIN_TYPE": 2 if paper else 1,
            "PAPER_USER_NAME": user,
            "features": {"env": "PROD", "wlms": True, "realtime": True, "bond": True,
                         "optionChains": True, "calendar": True, "newMf": True},
            "region": "NJ",
        }  # fmt: skip

    # -- what is done

    def begin(self, now: int) -> None:
        """The gateway is started, on the first sign of time."""
        if self._is_begun:
            return
        self._is_begun = True
        self._reset_at = self._next_reset(now)
        if self._options.starts != "logged-out":
            self._sign_on(now)
        if self._options.starts == "ready":
            self.open(now, compete=False)
        self.tell(now)

    def log_in(self, now: int) -> None:
        """A human does, in a browser; the gateway opens the brokerage session itself."""
        self._sign_on(now)
        self.open(now, compete=False)

    def log_out(self, now: int) -> None:
        """The login is over, and all that stands on it."""
        if not self.logged_in:
            return
        self._end_brokerage(now)
        self.logged_in = False
        if self._options.human_seconds is not None:
            self._human_at = now + self._span(self._options.human_seconds)
        self._over("login", now)

    def open(self, now: int, *, compete: bool) -> None:
        """Open the brokerage session; another login is thrown out where `compete` says so."""
        if self.competing and not compete:
            return
        if self.competing:
            self.competing, self._rival_until = False, None
            self.takeovers += 1
        if self._authenticated_at is not None or now < self._barred_until:
            self.tell(now)
            return
        self._authenticated_at = now + self._span(self._options.init_seconds)
        wait = self._span(self._options.established_seconds)
        self._established_at = self._authenticated_at + wait
        self.tell(now)

    def heard(self, now: int) -> None:
        """A request came: nobody is idle."""
        self._heard = now

    def rival(self, now: int, until: int | None) -> None:
        """Another login takes the brokerage session, until then or until it is thrown out."""
        self.competing, self._rival_until = True, until
        self._end_brokerage(now)
        self.tell(now)

    def reset(self, now: int, until: int) -> None:
        """The daily reset: the brokerage session is gone, and none is to be had before."""
        self._barred_until = until
        self._end_brokerage(now)
        self.tell(now)
        self._over("reset", now)

    def set_connected(self, is_connected: bool, now: int) -> None:
        """The line to the broker is lost, or back."""
        self.connected = is_connected
        self.tell(now)

    def tell(self, now: int) -> None:
        """Tell what changed since it was told last."""
        shown = {
            name: value
            for name, value in self.status(now).items()
            if name in ("connected", "authenticated", "established", "competing")
        }
        news = {name: value for name, value in shown.items() if self._told.get(name) != value}
        self._told = shown
        if news:
            self._changed(news, now)

    # -- time

    def step(self, now: int) -> None:
        """Let everything end, or begin, that is due."""
        self.begin(now)
        if self._rival_until is not None and now >= self._rival_until:
            self.competing, self._rival_until = False, None
        if self._human_at is not None and now >= self._human_at:
            self.log_in(now)
        if self._reset_at is not None and now >= self._reset_at:
            self.reset(now, self._reset_at + self._span(self._options.reset_seconds))
            self._reset_at += _DAY
        if self.logged_in and now >= self._began + self._span(self._options.life_seconds):
            self.log_out(now)
        if self._is_idle(now):
            if self._options.idle_ends == "login":
                self.log_out(now)
            else:
                self._end_brokerage(now)
        self.tell(now)

    def next_deadline(self) -> int | None:
        """When `step` has something to do."""
        if not self._is_begun:
            return 0
        found = [at for at in (self._rival_until, self._human_at, self._reset_at) if at is not None]
        if self.logged_in:
            found.append(self._began + self._span(self._options.life_seconds))
            if self._authenticated_at is not None or self._options.idle_ends == "login":
                found.append(self._heard + self._span(self._options.idle_seconds))
        if self._authenticated_at is not None and not self.competing:
            for name, at in (
                ("authenticated", self._authenticated_at),
                ("established", self._established_at),
            ):
                if not self._told.get(name):
                    found.append(at)
        return min(found, default=None)

    # -- inside

    def _sign_on(self, now: int) -> None:
        self.logged_in, self._human_at = True, None
        self._began = self._heard = now
        self.id = f"{self._ids.getrandbits(128):032x}"

    def _is_idle(self, now: int) -> bool:
        is_over = now >= self._heard + self._span(self._options.idle_seconds)
        may = self._authenticated_at is not None or self._options.idle_ends == "login"
        return self.logged_in and may and is_over

    def _end_brokerage(self, now: int) -> None:
        if self._authenticated_at is None:
            return
        self._authenticated_at, self._established_at = None, _NEVER
        self._over("brokerage", now)
        self.tell(now)

    def _next_reset(self, now: int) -> int | None:
        if not self._options.reset_at:
            return None
        hours, _, minutes = self._options.reset_at.partition(":")
        at = now - now % _DAY + (int(hours) * 60 + int(minutes or 0)) * 60 * SECOND
        return at if at > now else at + _DAY

    @staticmethod
    def _span(seconds: float) -> int:
        return round(seconds * SECOND)
