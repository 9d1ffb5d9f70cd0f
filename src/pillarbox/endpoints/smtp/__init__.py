"""The SMTP submission door: `session` is the protocol without I/O, `listener` the sockets around it."""
