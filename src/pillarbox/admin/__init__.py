"""Journeys of people: app registrations, mailboxes, and what is done by hand with messages in the outbox."""
