"""What Microsoft answers: cases that run unchanged against the emulator and a tenant (docs/how-to/certify.md)."""
