"""The signing proxy: who may call, what is signed, what is learned."""
