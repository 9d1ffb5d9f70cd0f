"""Who may come in: submitters now; API keys, people and sessions with the API."""
