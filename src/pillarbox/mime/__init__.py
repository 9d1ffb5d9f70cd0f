"""MIME taken apart, in a process of its own with limits: what is in a mail is written by strangers."""
