"""The way to a provider: sessions, words for its errors, what must be there. boto3 is only here."""
