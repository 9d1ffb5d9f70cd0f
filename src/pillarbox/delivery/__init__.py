"""A submission becomes a sent message: accept, outbox, worker, transport, policy. There is no second way to send."""
