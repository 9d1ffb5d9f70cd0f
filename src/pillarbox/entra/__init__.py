"""Microsoft Entra ID: access tokens."""
