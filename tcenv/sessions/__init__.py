"""Sessions and where they live: the session, its file, the stores, the sign-in lock, and which clients a deployment gave."""
