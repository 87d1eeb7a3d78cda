"""Asking for the password, or a recent log-in, where a view does so by itself."""

from rest_framework.request import Request

from accounts.limits.rates import check_limit
from accounts.limits.workload import slow_work
from accounts.services.proof import check_proof_of
from accounts.tokens.viewer import get_session_id, get_viewer


def ask_for_proof(request: Request, password: str | None) -> None:
    """Check the proof of the user whose access token it is; counts as `password`.

    Raises: ValidationError on `password`; RecentLoginRequired, TooManyAttempts, Busy, AccountGone.
    """
    user_id = get_viewer(request).pk
    with slow_work():
        check_limit(request, "password", account=user_id)
        check_proof_of(user_id=user_id, password=password, session_id=get_session_id(request))
