"""The Test button: an app registration or a mailbox, tried step by step."""
