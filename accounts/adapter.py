"""Second factors at rest: the seeds of authenticator apps and recovery codes are sealed in the database."""

from allauth.mfa.adapter import DefaultMFAAdapter

from accounts.seal import seal, unseal

PURPOSE = "second factors"


class SecondFactors(DefaultMFAAdapter):  # type: ignore[misc]
    """Seals with a key derived from SECRET_KEY."""

    def encrypt(self, text: str) -> str:
        """The text as it is stored."""
        return seal(text, purpose=PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        """
        The text as it was.

        :raises Unsealable: if it was stored under a key that is no longer known
        """
        return unseal(encrypted_text, purpose=PURPOSE)
