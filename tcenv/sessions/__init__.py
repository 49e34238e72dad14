"""Sessions and where they are kept: the session, its file, the stores, the sign-in lock, and the known clients."""
