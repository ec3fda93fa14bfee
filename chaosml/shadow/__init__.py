"""The replay of what a real Argo showed through our own reducer, which has to reach it all."""
