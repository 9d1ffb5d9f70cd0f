"""The same bytes to our engine, to aiosmtpd and to Postfix; what differs is listed in differences.md, with the reason."""
