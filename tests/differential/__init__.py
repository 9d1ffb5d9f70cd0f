"""The same bytes to our engine, to aiosmtpd and to Postfix: what differs is in differences.md, with the reason."""
