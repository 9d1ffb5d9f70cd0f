"""Microsoft Graph: one request, and mail."""
