"""Exchange Online by the old protocols: SMTP and IMAP, signed in to by XOAUTH2."""
