"""Microsoft's own OpenAPI file of Graph mail as the judge of every answer that the emulator gives (README.md)."""
