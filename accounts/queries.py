"""Reading what several pages need to know about people."""

from collections.abc import Iterable

from accounts.models import APIToken, User


def actor_names(actors: Iterable[str]) -> dict[str, str]:
    """Words for actors such as "user:us_…", "token:tk_…" and "system:leasing": a name, a token's name, Gridlease."""
    kinds: dict[str, set[str]] = {}
    for actor in actors:
        kind, _, public_id = actor.partition(":")
        kinds.setdefault(kind, set()).add(public_id)
    people = User.objects.filter(public_id__in=kinds.get("user", ()))
    tokens = APIToken.objects.filter(public_id__in=kinds.get("token", ()))
    return {
        **{person.actor: person.get_full_name() for person in people},
        **{f"token:{token.public_id}": f"API token “{token.name}”" for token in tokens},
        **{f"system:{name}": "Gridlease" for name in kinds.get("system", ())},
    }
