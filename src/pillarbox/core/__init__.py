"""The vocabulary of the house: words, errors, settings and pure logic. No I/O but reading data files and keys."""
